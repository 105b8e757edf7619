"""The stages `warnings` and `scorecard`, called as a notebook would."""

from __future__ import annotations

from pathlib import Path

import pytest

from capforecast import stages
from capforecast.exchange import Ingested, Unit
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.risk.past_warnings import no_warnings
from capforecast.risk.scorecard import EVERYTHING
from capforecast.schema import WARNING_COLUMNS, Cadence
from capforecast.settings import Settings

SETTINGS = Settings.model_validate({"forecast": {"horizon_days": 14}})
Line = tuple[Store, Ingested, Unit]


@pytest.fixture(scope="module")
def line(fleet_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    store = Store(tmp_path_factory.mktemp("warned") / "lake")
    source, inventory = (str(fleet_folder / name) for name in ("observations.parquet", "inventory.csv"))
    ingested = stages.ingest(store, SETTINGS, source, inventory)
    unit = stages.validate(store, SETTINGS, ingested, ingested.business_units[0])
    unit = unit.having(**stages.train(store, SETTINGS, unit))
    unit = unit.having(**stages.champion(store, SETTINGS, unit))
    return store, ingested, unit.having(**stages.warnings(store, SETTINGS, unit.only(stages.NEEDS["warnings"])))


def test_a_units_warnings_are_kept_beside_its_other_tables(line: Line) -> None:
    store, _, unit = line
    reference = unit.references["warnings"]
    assert reference.uri == unit.key("warnings")
    table = read_frame(store, reference)
    assert list(table.columns) == [*WARNING_COLUMNS, "p_7d", "p_14d"]
    assert len(table) == reference.rows > 0
    assert set(table["business_unit"]) == {unit.business_unit}
    assert (table["origin"] < unit.cut_off).all()


def test_a_unit_without_a_model_is_complete_and_has_no_case(line: Line) -> None:
    store, ingested, unit = line
    bare = unit.only(("processed", "quality"))
    reference = stages.warnings(store, SETTINGS, bare)["warnings"]
    table = read_frame(store, reference)
    assert table.empty
    assert list(table.columns) == list(no_warnings(SETTINGS, Cadence.DAILY, 14).columns)
    silent = stages.scorecard(store, SETTINGS, ingested, [bare.having(warnings=reference)], [unit.business_unit])
    assert read_frame(store, silent["scorecard"]).empty
    assert "Not scored" in stages.scorecard_overview(store, silent["scorecard"])
    stages.warnings(store, SETTINGS, unit)  # the table of the other tests again


def test_the_fleets_scorecard_counts_the_cases_of_its_units(line: Line) -> None:
    store, ingested, unit = line
    made = stages.scorecard(store, SETTINGS, ingested, [unit], ingested.business_units)
    assert set(made) == {"scorecard", "reliability"}
    assert "business_unit=_fleet/" in made["scorecard"].uri
    rows, cases = read_frame(store, made["scorecard"]), read_frame(store, unit.references["warnings"])
    whole = rows[(rows["scope"] == "fleet") & (rows["rule"] == EVERYTHING) & (rows["level"] == "both")]
    for row in whole.to_dict("records"):
        assert row["cases"] == cases[f"p_{row['horizon_days']}d"].notna().sum()
    text = stages.scorecard_overview(store, made["scorecard"])
    assert "## Within 14 days" in text
    assert "| flag everything |" in text
    assert stages.scorecard(store, SETTINGS, ingested, [unit], ingested.business_units) == made


def test_a_run_of_some_units_is_scored_beside_the_fleet(line: Line) -> None:
    store, ingested, unit = line
    alone = stages.scorecard(store, SETTINGS, ingested, [unit], [unit.business_unit])
    assert f"business_unit={unit.business_unit}/" in alone["scorecard"].uri
    two = stages.scorecard(store, SETTINGS, ingested, [unit], ingested.business_units[:2])
    assert "business_unit=" + "+".join(ingested.business_units[:2]) + "/" in two["reliability"].uri
