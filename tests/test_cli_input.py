"""Hostile input through the command line: what cannot be used is refused in words, the rest is used, counted or kept.

Refusals and single steps run in this process. What needs the whole flow shares the session's Prefect server.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Call

ROOT = Path(__file__).parents[1]
HEADER = "server_id,timestamp,cpu_p95\n"


@pytest.fixture
def refused(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`capforecast run` on a source that must be refused: exit code 3, no flow, no lake; what it said."""
    monkeypatch.setattr("deployments.pipeline.run_pipeline", lambda *_, **__: pytest.fail("a flow was started"))

    def run(source: object, *more: object) -> str:
        ended = call("run", "--source", source, "--store", tmp_path / "lake", *more)
        assert ended.code == 3, ended.err
        assert not (tmp_path / "lake").exists()
        assert "error:" in ended.err
        return " ".join(ended.err.split())

    return run


@pytest.fixture
def taken(call: Call, tmp_path: Path) -> Callable[..., tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]]:
    """`capforecast train` on a source that is used: (quality, quarantine, validation) of the lake."""

    def run(source: object, *more: object) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        ended = call("train", "--source", source, "--store", tmp_path / "lake", "--json", *more)
        assert ended.code == 0, ended.err
        return datasets(tmp_path / "lake")

    return run


def datasets(lake: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    quality, quarantine, validation = (
        pd.concat(
            [pq.read_table(path, partitioning=None).to_pandas() for path in sorted(lake.glob(f"{name}/**/*.parquet"))]
        )
        for name in ("quality", "quarantine", "validation")
    )
    assert (validation["rows_read"] == validation[["rows_used", "rows_rejected", "duplicates"]].sum(axis=1)).all()
    return quality, quarantine, validation


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(server: str, days: int, value: str = "5", start: str = "2024-01-01") -> str:
    return "".join(f"{server},{day:%Y-%m-%d},{value}\n" for day in pd.date_range(start, periods=days))


def settings_file(tmp_path: Path, text: str) -> list[object]:
    return ["--config", write(tmp_path / "my.yaml", text)]


# --- what cannot be used ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", "", "the file is empty"),
        ("header.csv", HEADER, "holds no rows"),
        ("blank.csv", "\n\n \n", "cannot be read as CSV"),
        ("noise.csv", bytes(range(256)) * 8, "binary content"),
        ("no_mark.csv", (HEADER + lines("a", 3)).encode("utf-16-le"), "save it as UTF-8"),
        ("cut.csv.gz", gzip.compress((HEADER + lines("a", 900)).encode())[:-40], "cannot be read"),
        ("words.csv", HEADER + lines("a", 3, "red"), "3 of 3 rows cannot be used, mostly not_a_number (row 2"),
        ("commas.csv", HEADER + lines("a", 3, '"1,5"'), "mostly not_a_number (row 2, column cpu_p95: '1,5')"),
        ("infinite.csv", HEADER + lines("a", 3, "inf"), "mostly infinite"),
        ("negative.csv", HEADER + lines("a", 3, "-7"), "mostly below_minimum"),
        ("huge.csv", HEADER + lines("a", 3, "1e9"), "mostly implausible_value (row 2, column cpu_p95: '1000000000')"),
        ("nobody.csv", HEADER + lines("", 3), "mostly empty_server_id"),
        ("never.csv", HEADER + "a,never,1\n", "mostly unparseable_timestamp"),
        ("mixed.csv", HEADER + lines("a", 9) + "".join(f"b,2024-01-01 {h:02d}:00,1\n" for h in range(9)),
         "neither an hour nor a day"),
        ("lying.csv", "metric,2024-01-01,2024-01-02\ncpu,1,2\n", "no column 'server_id'"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.endswith((".csv", ".gz")) else "",
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_before_any_flow(
    tmp_path: Path, refused: Callable[..., str], name: str, content: str | bytes, words: str
) -> None:
    source = write(tmp_path / name, content)
    said = refused(source)
    assert words in said
    assert name in said


def test_a_truncated_or_mistyped_parquet_file_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    pq.write_table(pa.table({"server_id": ["a"] * 99, "timestamp": ["2024-01-01"] * 99}), tmp_path / "o.parquet")
    whole = (tmp_path / "o.parquet").read_bytes()
    assert "cannot be read as Parquet" in refused(write(tmp_path / "cut.parquet", whole[: len(whole) // 2]))
    table = pa.table({"server_id": ["a"], "timestamp": [[1, 2]], "cpu_p95": [{"x": 1}]})
    pq.write_table(table, tmp_path / "types.parquet")
    assert "types.parquet" in refused(tmp_path / "types.parquet")


def test_files_of_two_cadences_are_refused_by_name(tmp_path: Path, refused: Callable[..., str]) -> None:
    write(tmp_path / "in/daily.csv", HEADER + lines("a", 9))
    write(tmp_path / "in/hourly.csv", HEADER + "".join(f"b,2024-01-01 {hour:02d}:00,1\n" for hour in range(20)))
    said = refused(tmp_path / "in")
    assert "daily.csv is daily and" in said
    assert "hourly.csv is hourly" in said


def test_five_thousand_metric_columns_are_refused_saying_what_a_metric_is(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    names = [f"m{number}_p95" for number in range(5000)]
    source = write(tmp_path / "wide.csv", f"server_id,timestamp,rack,{','.join(names)}\na,2024-01-01,r1{',1' * 5000}\n")
    said = refused(source)
    assert "5000 metrics (m0_p95, m1_p95, m2_p95 ...) and 1 labels" in said
    assert "<metric>_<statistic>" in said
    assert "source.max_metrics" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        ("server_id,business_unit\n", "no usable row"),
        ("name,team\na,b\n", "inventory.columns"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused(
    tmp_path: Path, refused: Callable[..., str], content: str, words: str
) -> None:
    source = write(tmp_path / "o.csv", HEADER + lines("a", 9))
    said = refused(source, "--inventory", write(tmp_path / "servers.csv", content))
    assert words in said
    assert "servers.csv" in said


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "o.csv", HEADER + lines("a", 9))
    read = Path.read_bytes

    def slow(path: Path) -> bytes:
        data = read(path)
        if path == source:
            path.open("a").write("a,2024-02-01,1\n")  # somebody is still writing
        return data

    monkeypatch.setattr(Path, "read_bytes", slow)
    assert "changed while it was read; run again" in refused(source)


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_refused(
    tmp_path: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "o.csv", HEADER + lines("a", 9))
    read = Path.read_bytes

    def sly(path: Path) -> bytes:
        data = read(path)
        if path == source:
            times = path.stat()
            path.write_bytes(data.replace(b",5\n", b",6\n"))
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return data

    monkeypatch.setattr(Path, "read_bytes", sly)
    assert "changed while it was read" in refused(source)


def test_a_file_or_folder_that_may_not_be_read_is_refused(call: Call) -> None:
    with tempfile.TemporaryDirectory() as name, as_nobody() as ask:
        folder = Path(name)
        write(folder / "in/o.csv", HEADER + lines("a", 9))
        write(folder / "in/deep/p.csv", HEADER + lines("b", 9))
        for path in (folder, folder / "in"):
            path.chmod(0o755)

        def said(source: Path) -> str:
            ended = call("run", "--source", source, "--store", folder / "lake")
            assert ended.code == 3
            return " ".join(ended.err.split())

        assert "does not exist" in said(folder / "none.csv")  # loads what a refusal needs, while it may
        (folder / "in/o.csv").chmod(0)
        ask()
        assert "o.csv: cannot be read (Permission denied)" in said(folder / "in/o.csv")
        ask(root=True)
        (folder / "in/o.csv").chmod(0o644)
        (folder / "in/deep").chmod(0)
        ask()
        assert "deep: cannot be read (Permission denied)" in said(folder / "in")


@contextmanager
def as_nobody() -> Iterator[Callable[..., None]]:
    """A switch to a user who may not read everything; root may."""
    user = os.geteuid()

    def switch(root: bool = False) -> None:
        if user == 0:
            os.seteuid(0 if root else 65534)

    try:
        yield switch
    finally:
        switch(root=True)


def test_refusing_loads_no_prefect(tmp_path: Path) -> None:
    source = write(tmp_path / "o.csv", HEADER)
    code = (
        "import sys\nfrom deployments.cli import main\n"
        f"sys.argv = ['capforecast', 'run', '--source', {str(source)!r}, '--store', {str(tmp_path / 'lake')!r}]\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    print(ended.code, 'prefect' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "False"]


@pytest.mark.parametrize("option", ["--as-of", "--known-at"])
def test_a_time_that_is_none_is_bad_usage(tmp_path: Path, call: Call, option: str) -> None:
    source = write(tmp_path / "o.csv", HEADER + lines("a", 9))
    ended = call("run", "--source", source, "--store", tmp_path / "lake", option, "soon")
    assert ended.code == 2
    assert "'soon' is no date" in ended.err


def test_one_bad_file_of_several_is_put_on_record_or_stops_the_run_as_configured(
    tmp_path: Path, taken: Callable[..., Any], refused: Callable[..., str]
) -> None:
    write(tmp_path / "in/good.csv", HEADER + lines("a", 9))
    write(tmp_path / "in/bad.csv", HEADER + lines("b", 4, "red") + "b,2024-01-05,3\n")
    _, quarantine, validation = taken(tmp_path / "in")
    bad = validation.set_index(validation["file"].map(lambda name: Path(name).name)).loc["bad.csv"]
    assert (bad["refused"], bad["rows_read"], bad["rows_used"], bad["rows_rejected"]) == (True, 5, 0, 5)
    assert "4 of 5 rows cannot be used" in bad["problem"]
    assert (quarantine["reason"] == "unusable_file").sum() == 1
    assert sorted(quarantine["row"]) == [0, 2, 3, 4, 5]
    shutil.rmtree(tmp_path / "lake")
    strict = settings_file(tmp_path, "source: {stop_on_refused_file: true}\n")
    assert "stop_on_refused_file is on" in refused(tmp_path / "in", *strict)


# --- what can be used ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_any_encoding_that_is_plain_is_read(tmp_path: Path, taken: Callable[..., Any], encoding: str) -> None:
    source = write(tmp_path / "o.csv", (HEADER + lines("café-ü", 9)).encode(encoding))
    quality, quarantine, _ = taken(source)
    assert quality["server_id"].tolist() == ["café-ü"]
    assert quarantine.empty


def test_lines_in_another_encoding_than_the_file_are_not_guessed_at(tmp_path: Path, taken: Callable[..., Any]) -> None:
    text = HEADER.encode() + lines("café", 9).encode() + lines("müller", 2).encode("latin-1") + lines("b", 2).encode()
    quality, quarantine, validation = taken(write(tmp_path / "o.csv", text))
    assert sorted(quality["server_id"]) == ["b", "café"]
    assert quarantine["reason"].tolist() == ["mixed_encoding"] * 2
    assert quarantine["row"].tolist() == [11, 12]
    assert validation[["rows_read", "rows_used", "rows_rejected"]].values.tolist() == [[13, 11, 2]]


def test_decimal_commas_are_read_where_they_are_certain(tmp_path: Path, taken: Callable[..., Any]) -> None:
    rows = "".join(f"a;2024-01-{day:02d};{day},5\n" for day in range(1, 10))
    source = write(tmp_path / "o.csv", "server_id;timestamp;cpu_p95\n" + rows)
    taken(source)
    stored = pq.read_table(next((tmp_path / "lake/raw/observations").rglob("*.parquet")), partitioning=None).to_pandas()
    assert stored["cpu_p95"].tolist() == [day + 0.5 for day in range(1, 10)]
    late = "".join(f"a;2024-{month:02d}-01;2.5\n" for month in range(2, 11)) * 2000  # beyond what decides on the sign
    text = "server_id;timestamp;cpu_p95\n" + rows * 3000 + late + "a;2024-12-01;1.234\n"
    _, quarantine, _ = taken(write(tmp_path / "both.csv", text), *settings_file(tmp_path, "source: {cadence: daily}\n"))
    assert set(quarantine["reason"]) == {"not_a_number"}  # is 1.234 more than a thousand? It is not guessed
    assert set(quarantine["value"]) == {"2.5", "1.234"}


def test_missing_infinite_negative_and_absurd_values_are_set_aside_one_by_one(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    values = ["1", "NaN", "inf", "-5", "1000000000", "999", "45 %", "2", "3"]
    rows = "".join(f"a,2024-01-{day:02d},{value}\n" for day, value in enumerate(values, 1))
    quality, quarantine, validation = taken(write(tmp_path / "o.csv", HEADER + rows))
    assert dict(zip(quarantine["row"], quarantine["reason"], strict=True)) == {
        4: "infinite", 5: "below_minimum", 6: "implausible_value",
    }  # fmt: skip
    assert quarantine["server_id"].unique().tolist() == ["a"]
    assert validation[["rows_used", "rows_rejected", "values_rejected"]].values.tolist() == [[9, 0, 3]]
    assert quality["observed"].tolist() == [5]
    loose = settings_file(tmp_path, "metrics: {cpu: {implausible_above: null}}\n")
    assert taken(tmp_path / "o.csv", *loose)[1]["reason"].tolist() == ["infinite", "below_minimum"]


def test_duplicates_that_agree_are_counted_and_those_that_differ_are_set_aside(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    rows = lines("a", 9) + lines("a", 2) + "a,2024-01-03,7\n"
    quality, quarantine, validation = taken(write(tmp_path / "o.csv", HEADER + rows))
    assert validation[["rows_read", "rows_used", "rows_rejected", "duplicates"]].values.tolist() == [[12, 9, 1, 2]]
    assert quarantine[["row", "column", "value", "reason"]].values.tolist() == [
        [4, "cpu_p95", "5.0", "duplicate_conflict"]
    ]
    assert "duplicate_conflict" in quality["flags"].iloc[0].split()


def test_the_order_of_rows_does_not_matter(tmp_path: Path, taken: Callable[..., Any]) -> None:
    frame = pd.DataFrame(
        {"server_id": np.repeat(["b", "a", "c"], 20), "timestamp": [*pd.date_range("2024-01-20", periods=20)] * 3}
    ).assign(cpu_p95=np.arange(60) % 37 + 1.0)
    frame.to_csv(tmp_path / "sorted.csv", index=False)
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "shuffled.csv", index=False)
    kept = []
    for name in ("sorted.csv", "shuffled.csv"):
        taken(tmp_path / name)
        kept.append({path.name: path.read_bytes() for path in (tmp_path / "lake/processed").rglob("*.parquet")})
    assert kept[0] == kept[1]


def test_zones_may_be_mixed_and_hours_a_clock_change_repeats_or_skips_are_set_aside(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    local = pd.date_range("2024-10-26", periods=60, freq="h").strftime("%Y-%m-%d %H:%M")  # 27 Oct: 02:00 comes twice
    spring = ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]  # 02:00 does not come
    named = ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00", "2024-10-27T12:00:00Z"]
    rows = "".join(f"a,{time},1\n" for time in [*spring, *local]) + "".join(f"b,{time},2\n" for time in named)
    source = write(tmp_path / "o.csv", HEADER + rows)
    zone = settings_file(tmp_path, "source: {timezone: Europe/Berlin}\n")
    _, quarantine, validation = taken(source, *zone)
    assert quarantine["reason"].unique().tolist() == ["off_grid"]
    assert quarantine["value"].str[:13].tolist() == ["2024-03-31 02", "2024-10-27 02"]
    assert validation["rows_used"].tolist() == [64]


def test_a_server_in_two_business_units_at_once_is_counted_in_one(tmp_path: Path, taken: Callable[..., Any]) -> None:
    source = write(tmp_path / "o.csv", HEADER + lines("a", 9) + lines("b", 9))
    listed = write(tmp_path / "i.csv", "server_id,business_unit\na,retail\na,payments\nb,retail\n")
    quality, quarantine, _ = taken(source, "--inventory", listed)
    assert dict(zip(quality["server_id"], quality["business_unit"], strict=True)) == {"a": "payments", "b": "retail"}
    conflict = quarantine.iloc[0]
    assert (conflict["file"], conflict["row"], conflict["server_id"]) == (str(listed), 2, "a")
    assert (conflict["column"], conflict["value"], conflict["reason"]) == (
        "business_unit",
        "retail",
        "inventory_conflict",
    )


def test_of_five_thousand_labels_some_are_kept_and_the_others_named(tmp_path: Path, taken: Callable[..., Any]) -> None:
    names = [f"note {number}" for number in range(5000)]
    head = f"server_id,timestamp,cpu_p95,{','.join(names)}\n"
    rows = "".join(f"a,2024-01-{day:02d},1{',x' * 5000}\n" for day in range(1, 10))
    began = time.monotonic()
    _, quarantine, validation = taken(write(tmp_path / "o.csv", head + rows))
    assert time.monotonic() - began < 60  # bounded, not measured
    assert (quarantine["reason"] == "label_left_out").sum() == 4900
    assert quarantine["column"].iloc[-1].startswith("note ")
    assert validation["rows_used"].tolist() == [9]


def test_a_metric_that_is_all_missing_is_unknown_and_said_to_be(tmp_path: Path, taken: Callable[..., Any]) -> None:
    rows = "".join(f"a,2024-01-{day:02d},1,\n" for day in range(1, 20))
    quality, _, _ = taken(write(tmp_path / "o.csv", "server_id,timestamp,cpu_p95,mem_p95\n" + rows))
    assert dict(zip(quality["metric"], quality["reason"], strict=True)) == {"cpu": "too_short", "mem": "all_missing"}


def test_an_hourly_server_silent_for_longer_than_the_history_is_stale(
    tmp_path: Path, taken: Callable[..., Any]
) -> None:
    old = pd.date_range("2024-01-01", periods=40, freq="h")
    new = pd.date_range("2024-06-01", periods=60, freq="h")
    rows = "".join(f"quiet,{time},1\n" for time in old) + "".join(f"busy,{time},2\n" for time in new)
    quality, _, _ = taken(write(tmp_path / "o.csv", HEADER + rows))
    quality = quality.set_index("server_id")
    assert quality["reason"].to_dict() == {"busy": "too_short", "quiet": "stale"}
    assert quality["last_seen"]["quiet"] == pd.Timestamp("2024-01-02T15:00Z")


def test_a_rename_joins_the_series_and_a_resize_converts_it(tmp_path: Path, taken: Callable[..., Any]) -> None:
    rows = lines("old", 20, "80") + lines("new", 20, "40", start="2024-01-21")
    text = "server_id,business_unit,vcpus,renamed_from,valid_from\nold,retail,4,,2024-01-01\nnew,,8,old,2024-01-21\n"
    listed = write(tmp_path / "i.csv", text)
    quality, _, validation = taken(write(tmp_path / "o.csv", HEADER + rows), "--inventory", listed)
    assert quality[["server_id", "business_unit", "observed"]].values.tolist() == [["new", "retail", 40]]
    assert "capacity_changed" in quality["flags"].iloc[0]
    snapshot = next((tmp_path / "lake/processed").rglob("*.parquet"))
    assert set(pq.read_table(snapshot, partitioning=None)["cpu_p95"].to_pylist()) == {40.0}  # 80 % of 4 is 40 % of 8
    assert validation["rows_used"].sum() == 42
    before, _, _ = taken(tmp_path / "o.csv", "--inventory", listed, "--as-of", "2024-01-21")
    assert before[["server_id", "observed"]].values.tolist() == [["old", 20]]


def test_a_run_as_known_then_does_not_see_a_later_correction(tmp_path: Path, taken: Callable[..., Any]) -> None:
    head = "server_id,timestamp,cpu_p95,ingested_at\n"
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=9)]
    rows = "".join(f"a,{day},10,2024-01-10\n" for day in days) + f"a,{days[3]},70,2024-02-01\n"
    rows += "".join(f"a,2024-01-{day},20,2024-02-01\n" for day in (10, 11))
    source = write(tmp_path / "o.csv", head + rows)

    def snapshot() -> list[float]:
        path = next((tmp_path / "lake/processed").rglob("*.parquet"))
        return pq.read_table(path, partitioning=None)["cpu_p95"].to_pylist()

    taken(source)
    assert snapshot() == [10, 10, 10, 70, 10, 10, 10, 10, 10, 20, 20]
    taken(source, "--known-at", "2024-01-15")
    assert snapshot() == [10] * 9
    taken(source, "--known-at", "2024-01-15", "--as-of", "2024-01-06")
    assert snapshot() == [10] * 5


def test_a_word_for_the_cut_off_is_left_to_the_flow(
    call: Call, fleet_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("deployments.pipeline.run_pipeline", lambda given, **_: asked.append(given) or 0)
    source = ("--source", fleet_folder / "observations.parquet", "--store", tmp_path / "lake")
    for word in ("business-day", "scheduled"):
        assert call("run", *source, "--as-of", word, "--known-at", "as_of").code == 0
    assert [given["as_of"] for given in asked] == ["business-day", "scheduled"]
    refused = call("run", *source, "--as-of", "workday")
    assert refused.code == 2
    assert "'workday' is no date" in refused.err
