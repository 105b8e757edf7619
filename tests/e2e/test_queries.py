"""Every shipped query over the lake of a whole run, its answer computed again by pandas from the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from capforecast import stages
from capforecast.lake.athena_ddl import tables
from capforecast.lake.duckdb_engine import DuckDbEngine
from capforecast.lake.sql_files import load, names
from capforecast.lake.store import Store
from capforecast.settings import Settings

WEEKS = 2
ASKED = ("processed", "quality", "forecasts", "servers", "pools", "savings", "scorecard")


class Asked:
    """The lake of a run, beside it the forecasts of one unit from two weeks earlier."""

    def __init__(self, fleet: Path, lake: Path, folder: Path) -> None:
        for name in ASKED:
            shutil.copytree(lake / name, folder / name)
        self.folder = folder
        self.store = Store(str(folder))
        (self.as_of,) = {each.name.removeprefix("as_of=") for each in (lake / "servers" / "cadence=daily").iterdir()}
        source, inventory = str(fleet / "observations.parquet"), str(fleet / "inventory.csv")
        self.early = str((pd.Timestamp(self.as_of) - pd.Timedelta(weeks=WEEKS)).date())
        settings = Settings.model_validate({"forecast": {"horizon_days": 14, "origins_daily": 4}})
        ingested = stages.ingest(self.store, settings, source, inventory, as_of=self.early)
        self.unit = ingested.business_units[0]
        unit = stages.validate(self.store, settings, ingested, self.unit)
        for stage in ("train", "champion", "forecast"):
            unit = unit.having(**getattr(stages, stage)(self.store, settings, unit))
        self.engine = DuckDbEngine(self.store)

    def ask(self, name: str, **given: str) -> pd.DataFrame:
        return self.engine.run(load(name), given).frame

    def rows(self, dataset: str, as_of: str | None = None, fleet: bool = False) -> pd.DataFrame:
        """Rows of a dataset, each with the business unit of its partition."""
        parts = []
        for file in sorted((self.folder / dataset).rglob(f"as_of={as_of or self.as_of}/*/part-0.parquet")):
            unit = file.parent.name.removeprefix("business_unit=")
            if fleet == (unit == "_fleet"):
                frame = pd.read_parquet(file, partitioning=None)
                parts.append(frame if fleet else frame.assign(business_unit=unit))
        frame = pd.concat(parts, ignore_index=True)
        for name in frame.select_dtypes("datetimetz"):
            frame[name] = frame[name].dt.tz_convert(None)
        return frame


@pytest.fixture(scope="module")
def asked(fleet_folder: Path, lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(fleet_folder, lake, tmp_path_factory.mktemp("asked") / "lake")


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Do both hold the same rows, in any order? Expected names the columns that are compared."""
    columns = list(expected.columns)
    pair = [frame[columns].sort_values(columns).reset_index(drop=True) for frame in (found, expected)]
    assert len(pair[1]) > 0
    pd.testing.assert_frame_equal(*pair, check_dtype=False, rtol=1e-6)


def test_servers_over_a_p95(asked: Asked) -> None:
    seen = asked.rows("processed")
    recent = seen[seen["timestamp"] > seen["timestamp"].max() - pd.Timedelta(days=20)]
    over = recent.assign(over=recent["cpu_p95"] > 60).groupby(["business_unit", "server_id"], as_index=False)
    expected = over.agg(periods=("cpu_p95", "count"), periods_over=("over", "sum"), highest=("cpu_p95", "max"))
    same(asked.ask("servers_over_p95", over="60", days="20"), expected[expected["periods_over"] > 0])


def test_average_forecast_by_business_unit(asked: Asked) -> None:
    said = asked.rows("forecasts")
    near = said[said["timestamp"] <= said["origin"] + pd.Timedelta(days=7)]
    by = near.groupby(["business_unit", "metric"], as_index=False)
    expected = by.agg(servers=("server_id", "nunique"), average=("mean", "mean"), upper_90=("q90", "mean"))
    daily = near.groupby(["business_unit", "metric", "timestamp"])["mean"].mean()
    peaks = daily.groupby(["business_unit", "metric"]).max().rename("peak").reset_index()
    same(asked.ask("forecast_by_business_unit", days="7"), expected.merge(peaks))


def test_first_breach_by_month(asked: Asked) -> None:
    servers = asked.rows("servers")
    dated = servers[servers["days_q10"].notna()]
    days = pd.to_timedelta(np.ceil(dated["days_q10"]) - 1, unit="D")
    breach = pd.Timestamp(asked.as_of) + days
    expected = dated.assign(month=breach.dt.strftime("%Y-%m"), breach=breach)
    by = expected.groupby(["month", "business_unit"], as_index=False)
    counts = by.agg(servers=("server_id", "count"), in_breach_now=("in_breach_high", "sum"), earliest=("breach", "min"))
    same(asked.ask("first_breach_by_month", quantile="q10"), counts)


def test_savings_by_business_unit(asked: Asked) -> None:
    sums = asked.rows("savings", fleet=True)
    expected = sums[sums["scope"] == "business_unit"].rename(columns={"name": "business_unit"})
    found = asked.ask("savings_by_business_unit")
    same(found, expected[["business_unit", "kind", "servers", "priced", "monthly", "to_monthly", "monthly_change"]])
    whole = sums.query("scope == 'fleet' and kind == 'all'")["monthly_change"].item()
    assert found.loc[found["kind"] == "all", "monthly_change"].sum() == pytest.approx(whole, abs=0.01)


def test_warning_record(asked: Asked) -> None:
    card = asked.rows("scorecard", fleet=True)
    one = card.iloc[0]
    level, horizon = str(one["level"]), str(one["horizon_days"])
    expected = card[(card["scope"] == "fleet") & (card["level"] == level) & (card["horizon_days"] == int(horizon))]
    same(
        asked.ask("warning_record", level=level, horizon_days=horizon),
        expected[["name", "rule", "cases", "events", "warned", "precision", "recall", "brier_skill"]],
    )


def test_data_gaps(asked: Asked) -> None:
    seen, quality = asked.rows("processed"), asked.rows("quality").query("metric == 'cpu'")
    frame = seen.merge(quality[["server_id", "first_seen"]])
    frame = frame[frame["timestamp"] >= frame["first_seen"]].sort_values(["server_id", "timestamp"])
    missing = frame["cpu_p95"].isna()
    begins = missing & ~(missing.shift(fill_value=False) & (frame["server_id"] == frame["server_id"].shift()))
    gaps = frame[missing].assign(gap=begins.cumsum()[missing]).groupby(["business_unit", "server_id", "gap"])
    expected = gaps["timestamp"].agg(gap_start="min", gap_end="max", periods="count").reset_index()
    same(asked.ask("data_gaps", days="5000"), expected.drop(columns="gap"))


def test_forecast_against_actual(asked: Asked) -> None:
    said, seen = asked.rows("forecasts", asked.early), asked.rows("processed")
    values = seen.melt(["server_id", "timestamp", "business_unit"], var_name="metric", value_name="actual")
    values["metric"] = values["metric"].str.removesuffix("_p95")
    both = said.merge(values.drop(columns="business_unit"), on=["server_id", "metric", "timestamp"]).dropna(
        subset=["actual"]
    )
    both = both.assign(
        mae=(both["q50"] - both["actual"]).abs(),
        bias=both["q50"] - both["actual"],
        coverage_80=both["actual"].between(both["q10"], both["q90"]),
    )
    by = both.groupby(["business_unit", "metric"], as_index=False)
    expected = by[["mae", "bias", "coverage_80"]].mean().merge(by.agg(points=("actual", "count")))
    found = asked.ask("forecast_against_actual", as_of=asked.early)
    assert set(found["business_unit"]) == {asked.unit}
    same(found, expected)


def test_servers_at_risk(asked: Asked) -> None:
    servers = asked.rows("servers")
    expected = servers[servers["tier"].isin(["critical", "high"])]
    same(asked.ask("servers_at_risk"), expected[["server_id", "tier", "business_unit", "metric", "last_value"]])


def test_pools_running_out(asked: Asked) -> None:
    pools = asked.rows("pools")
    found = asked.ask("pools_running_out", probability="0")
    same(found, pools[pools["p_90d"].notna()][["business_unit", "region", "resource", "usable", "p_90d"]])


@pytest.mark.parametrize("name", names())
def test_an_answer_is_in_the_types_that_the_file_promises(asked: Asked, name: str) -> None:
    given = {"as_of": asked.early} if name == "forecast_against_actual" else {}
    answer = asked.engine.run(load(name), given)
    assert answer.types == {each.name: each.type for each in load(name).returns}


def test_the_tables_declare_the_types_that_a_run_writes(lake: Path) -> None:
    arrow = {"large_string": "string", "bool": "boolean", "int64": "bigint", "timestamp[us, tz=UTC]": "timestamp"}
    for table in tables("s3://b", ["x"]):
        declared = {each.name: each.type for each in table.columns}
        for file in (lake / table.dataset).rglob("part-0.parquet"):
            held = {each.name: arrow.get(str(each.type), str(each.type)) for each in pq.read_schema(file)}
            known = {name: kind for name, kind in held.items() if name in declared}
            assert known == {name: declared[name] for name in known}, file
