"""What processing makes of raw data is what a run makes of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sagemaker_samples import SETTINGS, inventory, observed, write_objects

from capforecast import stages
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.stages.preparation import observed_units, prepare


def test_features_are_those_of_a_run(tmp_path: Path) -> None:
    write_objects(tmp_path / "source", ["retail"])
    lake = Store(tmp_path / "lake")
    unit = prepare(lake, SETTINGS, stages.ingest(lake, SETTINGS, str(tmp_path / "source")), "retail")
    mine = unit.references["features"]
    assert read_frame(lake, mine)["cpu_level"].notna().all()
    for name in ("train", "champion", "forecast", "risk", "sizing"):
        unit = unit.having(**getattr(stages, name)(lake, SETTINGS, unit.only(stages.NEEDS[name])))
    assert unit.references["features"] == mine


def test_units_are_observed_by_any_name_of_a_server_but_not_after_the_cut_off(tmp_path: Path) -> None:
    rows = pd.concat([observed("retail").query("server_id == 'a'").head(50), observed("ops").tail(5)]).drop(
        columns="business_unit"
    )
    rows["server_id"] = rows["server_id"].replace({"a": "old-a"})
    rows.to_parquet(tmp_path / "observations.parquet", index=False)
    listed = inventory().assign(renamed_from="")
    listed.loc[listed["server_id"] == "a", "renamed_from"] = "old-a"
    listed.to_csv(tmp_path / "inventory.csv", index=False)
    given = str(tmp_path / "observations.parquet"), str(tmp_path / "inventory.csv")
    lake = Store(tmp_path / "lake")
    early = stages.ingest(lake, SETTINGS, *given, as_of="2026-04-03")
    assert observed_units(lake, early) == ["retail"]
    assert early.business_units == ["Zürich / EMEA", "ops", "retail", "silent"]
    late = stages.ingest(lake, SETTINGS, *given, as_of="2026-04-11")
    assert observed_units(lake, late) == ["ops", "retail"]
