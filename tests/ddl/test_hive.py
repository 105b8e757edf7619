"""The DDL, executed by Hive (PySpark) over a lake that the stages wrote: `make test-ddl`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from capforecast import stages
from capforecast.lake.athena_ddl import Table, ddl, tables
from capforecast.lake.store import Store
from capforecast.schema import FLEET
from capforecast.settings import Settings

pytestmark = pytest.mark.ddl
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-spark" / "bin" / "python"
SETTINGS = Settings.model_validate({"forecast": {"horizon_days": 14, "origins_daily": 4}})
LINE = ("anomalies", "train", "champion", "forecast", "risk", "pools", "warnings", "sizing")
NOT_MADE = {"drift", "drift_series"}  # by the stages that are called here
Made = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def lake(fleet_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What one run leaves."""
    store = Store(str(tmp_path_factory.mktemp("hive") / "lake"))
    source, inventory = (str(fleet_folder / name) for name in ("observations.parquet", "inventory.csv"))
    ingested = stages.ingest(store, SETTINGS, source, inventory)
    units = []
    for name in ingested.business_units:
        unit = stages.validate(store, SETTINGS, ingested, name)
        for stage in LINE:
            unit = unit.having(**getattr(stages, stage)(store, SETTINGS, unit))
        units.append(unit)
    stages.fleet_pools(store, SETTINGS, ingested, units)
    stages.scorecard(store, SETTINGS, ingested, units, ingested.business_units)
    given = [unit.only(stages.NEEDS["actions"]) for unit in units]
    stages.actions(store, SETTINGS, ingested, given, ingested.business_units, stages.decided(store, ingested))
    return store


@pytest.fixture(scope="module")
def known(lake: Store) -> dict[str, Table]:
    """The tables of that lake."""
    units = [key.split("/business_unit=")[1].split("/")[0] for key in lake.keys("servers")]
    return {each.name: each for each in tables(f"file://{lake.folder}", units, SETTINGS)}


def objects(lake: Store, table: Table) -> list[Path]:
    """The Parquet files that a table covers."""
    assert lake.folder
    found = sorted((lake.folder / table.dataset).rglob("part-0.parquet"))
    if table.dataset.startswith("raw") or table.fleet:
        return [file for file in found if not table.fleet or f"business_unit={FLEET}" in str(file)]
    return [file for file in found if f"business_unit={FLEET}" not in str(file)]


def job(lake: Store, table: Table, text: str | None = None) -> dict[str, Any]:
    """What Hive is asked to do with a table: its partitions lie where the projection's template says."""
    made = []
    for file in objects(lake, table):
        values = dict(part.split("=", 1) for part in file.parts if "=" in part)
        place = table.properties.get("storage.location.template", "")
        for key in table.partitions:
            place = place.replace(f"${{{key.name}}}", values[key.name])
        if table.partitions:
            made.append((", ".join(f"`{key.name}`='{values[key.name]}'" for key in table.partitions), place))
    return {"name": table.name, "ddl": text or ddl(table), "partitions": made}


def run(jobs: list[dict[str, Any]], folder: Path) -> Made:
    if not PYTHON.exists():
        if os.environ.get("CAPFORECAST_TEST_DDL"):
            pytest.fail(".venv-spark is missing: make test-ddl makes it")
        pytest.skip("PySpark is not installed; `make test-ddl` does that")
    ended = subprocess.run(
        [str(PYTHON), str(Path(__file__).with_name("hive_run.py"))],
        input=json.dumps({"warehouse": str(folder), "tables": jobs}),
        capture_output=True, text=True, timeout=540, cwd=folder, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    made: Made = json.loads(ended.stdout.splitlines()[-1])
    return made


@pytest.fixture(scope="module")
def made(lake: Store, known: dict[str, Table], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What Hive made of every table, and of two whose DDL was spoilt."""
    wrong = known["risks"]
    mistyped = ddl(wrong).replace("`peak_q90` double", "`peak_q90` bigint").replace("`risks`", "`mistyped`", 1)
    misspelt = ddl(wrong).replace("STORED AS PARQUET", "STORED AS PARKET").replace("`risks`", "`misspelt`", 1)
    jobs = [job(lake, table) for table in known.values()]
    jobs += [job(lake, wrong, mistyped) | {"name": "mistyped"}, job(lake, wrong, misspelt) | {"name": "misspelt"}]
    return run(jobs, tmp_path_factory.mktemp("metastore"))


def test_every_statement_is_executed_as_it_is_printed(made: Made, known: dict[str, Table]) -> None:
    assert {name: each["error"] for name, each in made.items() if "error" in each and name in known} == {}


def test_every_table_reads_all_rows_of_its_files(made: Made, known: dict[str, Table], lake: Store) -> None:
    for name, table in known.items():
        files = objects(lake, table)
        assert bool(files) == (name not in NOT_MADE), name
        assert made[name]["rows"] == sum(pq.read_metadata(file).num_rows for file in files), name


def test_columns_have_the_types_that_were_declared(made: Made, known: dict[str, Table]) -> None:
    for name, table in known.items():
        declared = [[each.name, each.type] for each in (*table.columns, *table.partitions)]
        assert made[name]["columns"] == declared, name


def test_what_the_files_hold_arrives_in_the_columns(made: Made, known: dict[str, Table], lake: Store) -> None:
    for name, table in known.items():
        held = set()
        for file in objects(lake, table):
            rows = pq.read_table(file, partitioning=None)
            held |= {column for column in rows.column_names if rows[column].null_count < rows.num_rows}
        declared = {each.name for each in table.columns}
        assert held & declared <= set(made[name]["filled"]), name


def test_a_type_that_is_not_the_files_is_caught(made: Made) -> None:
    assert "PARQUET_COLUMN_DATA_TYPE_MISMATCH" in made["mistyped"]["error"]
    assert "peak_q90" in made["mistyped"]["error"]


def test_a_statement_that_hive_cannot_read_is_caught(made: Made) -> None:
    assert "PARKET" in made["misspelt"]["error"].upper()
