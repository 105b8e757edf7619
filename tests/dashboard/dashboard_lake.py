"""A small lake with two runs, made by the stages themselves, in which some names are as bad as data can be."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from capforecast import stages
from capforecast.exchange import RunKey, Unit
from capforecast.fleet import synthetic_files
from capforecast.fleet.synthetic import Fleet
from capforecast.lake.datasets import to_json
from capforecast.lake.runs import note_execution
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings

END = pd.Timestamp("2026-11-23", tz="UTC")
DATES = ("2026-11-09", "2026-11-23")
HTML = "<img src=x onerror=alert(1)><b>bold</b>"
FORMULA = '=HYPERLINK("http://evil.example","click")'
PATH = "../../etc/passwd"
MARKDOWN = "![x](http://evil.example/p.png) [y](javascript:alert(1)) :red[z] $a^2$ :material/home:"
QUERY = "a&b=c?d#e%2F../"
NASTY = (HTML, FORMULA, PATH, MARKDOWN, QUERY)
NASTY_UNIT = "<script>alert(2)</script>/../x"
SETTINGS = Settings.model_validate(
    {
        "forecast": {"horizon_days": 30},
        "report": {"formats": ["json"], "per_business_unit": False},
        "sizing": {"exceedance_limit": 0.2},
    }
)
LINE = ("anomalies", "train", "champion", "forecast", "risk", "pools", "warnings", "drift", "sizing")


def write_sources(folder: Path) -> tuple[Path, Path]:
    """Observations and inventory of 24 servers over 300 days, five of them and a business unit with NASTY names."""
    fleet = Fleet(servers=24, days=300, cadence=Cadence.DAILY, seed=5, dirty=True, end=END)
    files = synthetic_files.write(fleet, folder, with_truth=False).files
    observations, inventory = files[synthetic_files.OBSERVATIONS], files[synthetic_files.INVENTORY]
    table = pd.read_csv(inventory)
    first = table["business_unit"].dropna().iloc[0]
    mine = table.loc[table["business_unit"] == first, "server_id"].unique()[: len(NASTY)]
    names = dict(zip(mine, NASTY, strict=False))
    table = table.replace({"server_id": names, "business_unit": {first: NASTY_UNIT}})
    table["owner"] = table["owner"].mask(table["server_id"] == HTML, "<i>owner</i>")
    table.to_csv(inventory, index=False)
    seen = pd.read_parquet(observations)
    seen["server_id"] = seen["server_id"].astype("str").replace(names)
    seen.drop(columns=[name for name in ("business_unit",) if name in seen]).to_parquet(observations, index=False)
    return observations, inventory


def make(folder: Path) -> Store:
    """The lake, with a run of each of DATES."""
    observations, inventory = write_sources(folder / "data")
    store = Store(folder / "lake")
    for number, date in enumerate(DATES):
        run(store, str(observations), str(inventory), date, f"0000000{number}-run")
    return store


def run(store: Store, source: str, inventory: str, as_of: str, run_id: str) -> None:
    """What the flow does, without Prefect, and the record it leaves."""
    history = stages.ingest(store, SETTINGS, source, inventory, as_of)
    units = [_unit(store, stages.validate(store, SETTINGS, history, name)) for name in history.business_units]
    covered = [unit.business_unit for unit in units]
    extras = stages.fleet_pools(store, SETTINGS, history, units) | stages.scorecard(
        store, SETTINGS, history, units, covered
    )
    extras |= stages.actions(store, SETTINGS, history, units, covered, stages.decided(store, history))
    stages.report(store, SETTINGS, history, units, {}, extras)
    note_execution(store, RunKey(run_id=run_id, attempt=1), "report", "_fleet", 1.5)
    manifest = {
        "run_id": run_id, "attempt": 1, "parameters": {"as_of": as_of, "source": source}, "version": "0.1.0",
        "code": "c" * 64, "config": "d" * 64, "ingested": history.model_dump(mode="json"), "problems": {},
    }  # fmt: skip
    store.create(f"runs/{run_id}/attempt=1/manifest.json", to_json(manifest))


def _unit(store: Store, unit: Unit) -> Unit:
    for stage in LINE:
        unit = unit.having(**getattr(stages, stage)(store, SETTINGS, unit))
    return unit
