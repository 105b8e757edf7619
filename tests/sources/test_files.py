"""What a user brings, and what becomes of it."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import InputError, NoUsableInputError
from capforecast.fleet import inventory, panel
from capforecast.schema import Cadence, Verdict
from capforecast.settings import Settings
from capforecast.sources.files import Batch, read_files

BITBRAINS = Path("/work/shared/data/fleet_bitbrains")
REAL = Path("/work/shared/data/real")
SETTINGS = Settings()


def with_source(**options: object) -> Settings:
    return Settings.model_validate({"source": options})


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def daily(server: str = "a", days: int = 3, **columns: object) -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", periods=days, freq="D")
    return pd.DataFrame({"server_id": server, "timestamp": stamps, **(columns or {"cpu_p95": np.arange(days) + 1.0})})


def values(batch: Batch, column: str = "cpu_p95") -> list[float]:
    return batch.observations[column].tolist()


def test_csv_gzip_and_parquet_of_the_same_rows_give_the_same_batch(tmp_path: Path) -> None:
    frame = pd.concat([daily("007"), daily("b", cpu_p95=[4.25, np.nan, 6.5])])
    frame.to_parquet(tmp_path / "o.parquet")
    frame.to_csv(tmp_path / "o.csv", index=False)
    (tmp_path / "o.csv.gz").write_bytes(gzip.compress((tmp_path / "o.csv").read_bytes()))
    batches = [read_files(str(tmp_path / name), SETTINGS) for name in ("o.parquet", "o.csv", "o.csv.gz")]
    for batch in batches:
        pd.testing.assert_frame_equal(batch.observations, batches[0].observations)
        assert batch.cadence is Cadence.DAILY
        assert batch.rows_read == 6
    seen = batches[0].observations
    assert seen["server_id"].unique().tolist() == ["007", "b"]
    assert str(seen["timestamp"].dtype) == "datetime64[us, UTC]"
    assert seen["cpu_p95"].dtype == np.float32


def test_a_folder_is_read_with_subfolders_and_without_hidden_or_temporary_files(tmp_path: Path) -> None:
    daily("a").to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    daily("b").to_parquet(tmp_path / "deep" / "er" / "b.parquet")
    for name in (".hidden.csv", "_SUCCESS", "c.csv.tmp", "_temporary/d.csv", "notes.md"):
        write(tmp_path / name, "not data")
    batch = read_files(str(tmp_path), SETTINGS)
    assert [Path(name).name for name, _ in batch.files] == ["a.csv", "b.parquet"]
    assert all(len(digest) == 64 for _, digest in batch.files)
    assert batch.rejects.empty
    assert read_files(str(tmp_path / "**" / "*.parquet"), SETTINGS).observations["server_id"].unique().tolist() == ["b"]


def test_bad_rows_and_values_are_set_aside_with_place_and_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    text = (
        "server_id,timestamp,cpu_p95,mem_p95\n"
        "a,2024-01-01,1,10\n"
        "a,2024-01-02,broken,20\n"
        "a,soon,3,30\n"
        ",2024-01-03,4,40\n"
        "a,2024-01-04,5\n"
        "a,2024-01-05,inf,50\n"
        "a,2024-01-06,-7,60\n"
        "a,2024-01-07,8,70\n"
    )
    source = write(tmp_path / "o.csv", text)
    batch = read_files(source, SETTINGS)
    found = batch.rejects[["row", "server_id", "column", "value", "reason"]].values.tolist()
    assert found == [
        [3, "a", "cpu_p95", "broken", "not_a_number"],
        [4, "a", "timestamp", "soon", "unparseable_timestamp"],
        [5, "", "server_id", "", "empty_server_id"],
        [6, "", "", "a,2024-01-04,5", "ragged_row"],
        [7, "a", "cpu_p95", "inf", "infinite"],
        [8, "a", "cpu_p95", "-7", "below_minimum"],
    ]
    assert (batch.rejects["file"] == source).all()
    assert values(batch, "mem_p95") == [10, 20, 50, 60, 70]
    np.testing.assert_array_equal(values(batch), [1, np.nan, np.nan, np.nan, 8])
    assert batch.rows_read == 8


def test_wide_and_long_form_give_the_same_observations(tmp_path: Path) -> None:
    wide = daily(cpu_p95=[1.0, 2.0, 3.0], mem_mean=[4.0, np.nan, 6.0])
    wide.to_parquet(tmp_path / "wide.parquet")
    long = wide.melt(["server_id", "timestamp"], var_name="metric").rename(columns={"server_id": "series_id"})
    long.assign(dataset="demo").sample(frac=1, random_state=1).to_csv(tmp_path / "long.csv", index=False)
    split = long.assign(
        statistic=long["metric"].str.split("_").str[1].replace("mean", "avg"),
        metric=long["metric"].str.split("_").str[0],
    )
    split.to_csv(tmp_path / "split.csv", index=False)
    expected = read_files(str(tmp_path / "wide.parquet"), SETTINGS).observations
    for name in ("long.csv", "split.csv"):
        pd.testing.assert_frame_equal(read_files(str(tmp_path / name), SETTINGS).observations, expected)
    assert read_files(str(tmp_path / "long.csv"), SETTINGS).inventory["label_dataset"].tolist() == ["demo"]


def test_duplicates_keep_the_last_and_contradictions_are_on_record(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "server_id,timestamp,cpu_p95\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-02,2\n")
    write(tmp_path / "2.csv", "server_id,timestamp,cpu_p95\na,2024-01-01,9\na,2024-01-03,3\n")
    batch = read_files(str(tmp_path), SETTINGS)
    assert values(batch) == [9, 2, 3]
    assert (batch.rows_read, batch.rows_used, batch.rows_rejected, batch.duplicates) == (5, 3, 1, 1)
    conflict = batch.rejects.iloc[0]
    assert (Path(conflict["file"]).name, conflict["row"], conflict["column"]) == ("1.csv", 2, "cpu_p95")
    assert (conflict["value"], conflict["reason"], len(batch.rejects)) == ("1.0", "duplicate_conflict", 1)


def test_repeated_values_of_long_form_are_counted_and_contradictions_are_on_record(tmp_path: Path) -> None:
    lines = ["a,2024-01-01,cpu_p95,1", "a,2024-01-01,cpu_p95,5", "a,2024-01-01,mem_p95,7", "a,2024-01-02,cpu_p95,2",
             "a,2024-01-02,cpu_p95,2", "a,2024-01-02,cpu_p95,", "a,2024-01-03,disk,9"]  # fmt: skip
    batch = read_files(write(tmp_path / "o.csv", "server_id,timestamp,metric,value\n" + "\n".join(lines)), SETTINGS)
    np.testing.assert_array_equal(values(batch), [5, 2, np.nan])
    np.testing.assert_array_equal(values(batch, "disk_mean"), [np.nan, np.nan, 9])
    assert (batch.rows_read, batch.rows_used, batch.rows_rejected, batch.duplicates) == (7, 4, 1, 2)
    assert batch.rejects[["row", "column", "value", "reason"]].values.tolist() == [
        [2, "cpu_p95", "1.0", "duplicate_conflict"]
    ]


def test_files_with_different_metrics_complete_each_other(tmp_path: Path) -> None:
    daily(cpu_p95=[1.0, 2.0, 3.0]).to_csv(tmp_path / "cpu.csv", index=False)
    daily(mem_p95=[4.0, 5.0, 6.0]).to_csv(tmp_path / "mem.csv", index=False)
    batch = read_files(str(tmp_path), SETTINGS)
    assert (values(batch), values(batch, "mem_p95")) == ([1, 2, 3], [4, 5, 6])
    assert (batch.rows_used, batch.duplicates, len(batch.rejects)) == (6, 0, 0)


def test_each_arrival_of_a_row_is_kept_with_its_time(tmp_path: Path) -> None:
    frame = pd.concat([daily().assign(ingested_at="2024-02-01"), daily().assign(ingested_at="2024-02-02T03:00Z")])
    frame.to_csv(tmp_path / "o.csv", index=False)
    batch = read_files(str(tmp_path / "o.csv"), SETTINGS)
    assert (len(batch.observations), batch.duplicates) == (6, 0)
    assert batch.observations["ingested_at"].nunique() == 2


def test_a_move_between_business_units_inside_the_observations_has_a_date(tmp_path: Path) -> None:
    frame = daily(days=6).assign(business_unit=["x", "x", None, "y", "y", "y"], region="r", rack=7, day=range(6))
    frame.to_parquet(tmp_path / "o.parquet")
    rows = read_files(str(tmp_path / "o.parquet"), SETTINGS).inventory
    assert rows["business_unit"].tolist() == ["x", "y"]
    assert rows["valid_from"].dt.day.tolist() == [1, 4]
    assert rows["label_rack"].tolist() == ["7", "7"]
    assert "label_day" not in rows  # changes with every row: describes no server
    kept = read_files(str(tmp_path / "o.parquet"), with_source(labels=["day"])).inventory
    assert kept["label_day"].tolist() == ["5", "5"]


def test_an_explicit_inventory_wins_column_by_column_and_nobody_is_lost(tmp_path: Path) -> None:
    frame = pd.concat([daily("a"), daily("b")]).assign(business_unit="seen", region="here")
    frame.to_parquet(tmp_path / "o.parquet")
    listed = write(tmp_path / "i.csv", "server_id,business_unit,region,vcpus\na,told,,4\nc,only,there,8\n")
    rows = read_files(str(tmp_path / "o.parquet"), SETTINGS, listed).inventory
    now = inventory.at(rows, pd.Timestamp("2024-02-01", tz="UTC")).set_index("server_id")
    assert now["business_unit"].to_dict() == {"a": "told", "b": "seen", "c": "only"}
    assert now["region"].to_dict() == {"a": "here", "b": "here", "c": "there"}
    assert now["vcpus"].fillna(0).to_dict() == {"a": 4, "b": 0, "c": 8}


def test_an_inventory_inside_the_folder_is_taken_as_such(tmp_path: Path) -> None:
    daily("a").to_parquet(tmp_path / "o.parquet")
    write(tmp_path / "inventory.csv", "server_id,business_unit\na,unit\n")
    batch = read_files(str(tmp_path), SETTINGS)
    assert batch.inventory["business_unit"].tolist() == ["unit"]
    assert batch.rejects.empty


def test_foreign_columns_are_mapped_scaled_and_may_be_lacking(tmp_path: Path) -> None:
    text = "Host,When,CPU usage [%],mem,noise_max,team_max\na,2024-01-01,5,0.5,1,red\na,2024-01-02,6,0.75,2,red\n"
    source = write(tmp_path / "o.csv", text)
    mapped = with_source(
        columns={
            "Host": "server_id",
            "When": "timestamp",
            "CPU usage [%]": "cpu_mean",
            "mem": "mem_p95",
            "gone": "net_p95",
        },
        scale={"mem_p95": 100},
    )
    batch = read_files(source, mapped)
    assert values(batch, "cpu_mean") == [5, 6]
    assert values(batch, "mem_p95") == [50, 75]
    assert values(batch, "noise_max") == [1, 2]  # unknown metric: forecast without threshold
    assert batch.inventory["label_team_max"].tolist() == ["red"]  # words: a label


def test_a_column_that_is_both_mapped_and_there_is_refused_when_two_are_mapped(tmp_path: Path) -> None:
    source = write(tmp_path / "o.csv", "server_id,timestamp,x,y\na,2024-01-01,5,6\n")
    with pytest.raises(NoUsableInputError, match="'x' and 'y' are both cpu_p95"):
        read_files(source, with_source(columns={"x": "cpu_p95", "y": "cpu_p95"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("server_id,timestamp,cpu_p95\n", "holds no rows"),
        ("host,timestamp,cpu_p95\na,2024-01-01,1\n", r"no column 'server_id'.*\{host: server_id\}"),
        ("server_id,date,cpu_p95\na,2024-01-01,1\n", r"no column 'timestamp'.*\{date: timestamp\}"),
        (
            "server_id,timestamp,cpu\na,2024-01-01,1\n",
            "no metric column among server_id, timestamp, cpu; expected <metric>_",
        ),
        ("server_id,timestamp,x_p95\na,2024-01-01,red\n", "x_p95 hold texts"),
        (
            "server_id,timestamp,cpu_p95\na,never,1\n",
            r"1 of 1 rows cannot be used, mostly unparseable_timestamp \(row 2",
        ),
        ("server_id,server_id,timestamp,cpu_p95\na,a,2024-01-01,1\n", "stands there twice"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    source = write(tmp_path / "o.csv", text)
    with pytest.raises(NoUsableInputError, match=message) as caught:
        read_files(source, SETTINGS)
    assert source in str(caught.value)


@pytest.mark.parametrize("missing", ["nowhere.parquet", "none/*.csv", ""])
def test_a_source_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(NoUsableInputError, match=r"does not exist|no file matches|is empty"):
        read_files(str(tmp_path / missing) if missing else " ", SETTINGS)
    (tmp_path / "hollow").mkdir()
    with pytest.raises(NoUsableInputError, match="holds no data file"):
        read_files(str(tmp_path / "hollow"), SETTINGS)


def test_a_corrupt_file_among_good_ones_is_reported_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    daily("a").to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 broken")
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"server_id,timestamp,cpu_p95\n" * 99)[:20])
    with caplog.at_level(logging.WARNING):
        batch = read_files(str(tmp_path), SETTINGS)
    assert len(batch.observations) == 3
    refused = batch.rejects
    assert refused["reason"].tolist() == ["unusable_file", "unusable_file"]
    assert [Path(name).name for name in refused["file"]] == ["b.parquet", "c.csv.gz"]
    assert refused["row"].tolist() == [0, 0]
    assert "b.parquet" in caplog.text


def test_input_finer_or_coarser_than_known_cadences_says_what_was_found(tmp_path: Path) -> None:
    for spacing, words in (("5min", "5 minutes"), ("7D", "7 days"), ("15s", "15 seconds")):
        frame = pd.DataFrame(
            {"server_id": "a", "timestamp": pd.date_range("2024", periods=9, freq=spacing), "cpu_p95": 1}
        )
        frame.to_csv(tmp_path / "o.csv", index=False)
        with pytest.raises(InputError, match=rf"o\.csv: its rows are {words} apart.*aggregate"):
            read_files(str(tmp_path / "o.csv"), SETTINGS)


def test_daily_and_hourly_files_are_not_mixed(tmp_path: Path) -> None:
    daily().to_csv(tmp_path / "d.csv", index=False)
    stamps = pd.date_range("2024-01-01", periods=9, freq="h")
    pd.DataFrame({"server_id": "a", "timestamp": stamps, "cpu_p95": 1.0}).to_csv(tmp_path / "h.csv", index=False)
    with pytest.raises(InputError, match=r"d\.csv is daily and .*h\.csv is hourly"):
        read_files(str(tmp_path), SETTINGS)


def test_files_of_one_day_each_are_daily(tmp_path: Path) -> None:
    for day in range(3):
        daily(days=3).iloc[[day]].to_csv(tmp_path / f"{day}.csv", index=False)
    batch = read_files(str(tmp_path), SETTINGS)
    assert (batch.cadence, values(batch)) == (Cadence.DAILY, [1, 2, 3])


def test_a_row_off_the_hour_is_refused_and_one_some_seconds_late_is_not(tmp_path: Path) -> None:
    rows = ["10:00:02", "10:59:58", "12:00:00", "12:17:00", "13:00:00"]
    lines = "".join(f"a,2024-01-01 {clock},{place}\n" for place, clock in enumerate(rows))
    batch = read_files(write(tmp_path / "o.csv", "server_id,timestamp,cpu_p95\n" + lines), SETTINGS)
    assert batch.observations["timestamp"].dt.strftime("%H:%M:%S").tolist() == [
        f"{hour}:00:00" for hour in range(10, 14)
    ]
    assert batch.rejects[["row", "reason"]].values.tolist() == [[5, "off_grid"]]


def test_semicolons_decimal_commas_and_blank_lines_are_read(tmp_path: Path) -> None:
    text = "server_id;timestamp;cpu_p95\n\na;2024-01-01;1,5\na;2024-01-02;2,5\n\na;2024-01-03;x\n;;\n"
    batch = read_files(write(tmp_path / "o.csv", text), SETTINGS)
    np.testing.assert_array_equal(values(batch), [1.5, 2.5, np.nan])
    assert batch.rejects["row"].tolist() == [6]
    assert batch.rows_read == 3


@pytest.mark.skipif(not BITBRAINS.exists(), reason="shared data set of 300 VMs is not on this machine")
@pytest.mark.parametrize(("name", "metrics"), [("daily", 6), ("hourly", 4)])
def test_all_300_machines_of_a_real_fleet_are_accounted_for(name: str, metrics: int) -> None:
    from capforecast.configuration import load

    settings = load(user_file=Path(__file__).parents[2] / "config/examples/bitbrains.yaml").settings
    source = BITBRAINS / f"observations_{name}.parquet"
    batch = read_files(str(source), settings, str(BITBRAINS / "inventory.csv"))
    assert batch.cadence == name
    assert set(batch.rejects["reason"]) <= {"implausible_value"}  # a few memory readings above 1000 %
    assert batch.rows_used == batch.rows_read
    assert len(batch.observations.columns) == 2 + metrics
    as_of = panel.default_as_of(batch.observations, batch.cadence)
    assert as_of.date().isoformat() == ("2013-09-30" if name == "daily" else "2013-09-29")
    servers = inventory.at(batch.inventory, as_of)
    assert len(servers) == 300
    built = panel.build(batch.observations, servers, batch.cadence, as_of, settings)
    assert built.series["server_id"].nunique() == 300
    assert set(built.series["metric"]) == {"cpu", "mem", "disk_io", "net"}
    assert (built.series["reason"] != "").equals(built.series["verdict"] == Verdict.UNKNOWN)


@pytest.mark.skipif(not REAL.exists(), reason="shared long-form data sets are not on this machine")
def test_a_real_long_form_file_is_turned() -> None:
    batch = read_files(str(REAL / "hpc_swf__daily.parquet"), SETTINGS)
    assert batch.observations["server_id"].nunique() == 61
    assert batch.observations.drop(columns=["server_id", "timestamp"]).notna().sum().sum() == batch.rows_read == 44104


def test_the_lake_inside_a_source_folder_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("server_id,timestamp,cpu_p95\na,2024-01-01,5\na,2024-01-02,6\n")
    lake = tmp_path / "lake"
    (lake / "raw").mkdir(parents=True)
    (lake / "raw" / "part-0.csv").write_text("server_id,timestamp,cpu_p95\nb,2024-01-01,5\n")
    batch = read_files(str(tmp_path), SETTINGS, without=lake.resolve())
    assert batch.observations["server_id"].unique().tolist() == ["a"]
