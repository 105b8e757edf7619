"""How long the shipped queries take over 10,000 servers and 90 days, and what is ours of it.

    python benchmarks/queries.py --lake LAKE          writes its section of RESULTS.md (a minute)
    python benchmarks/queries.py --lake LAKE --dry    printed only

LAKE: a folder that `capforecast run` filled, once. In a temporary folder a second run is put beside it, its history
moved by the horizon, so that forecasts can be held against what came.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from page import table, target, targets
from results import setting, write_section

from capforecast.lake import duckdb_engine
from capforecast.lake.athena_engine import AthenaEngine
from capforecast.lake.duckdb_engine import DuckDbEngine
from capforecast.lake.sql_files import load, names
from capforecast.lake.store import Store
from capforecast.settings import Settings

MOST_SECONDS, MOST_OWN = 2.0, 0.050
REPEATS = 5
ASKED = ("processed", "quality", "forecasts", "servers", "pools", "savings", "scorecard")


def with_two_runs(lake: Path, folder: Path) -> Path:
    """A lake of links to the tables that queries read, with a later run whose history goes on to the horizon's end."""
    for name in ASKED:
        for file in (lake / name).rglob("part-0.parquet"):
            as_of = next(part for part in file.parts if part.startswith("as_of="))
            moved = pd.Timestamp(as_of.removeprefix("as_of=")) + pd.Timedelta(days=90)
            place = folder / file.relative_to(lake)
            later = Path(str(place).replace(as_of, f"as_of={moved.date()}"))
            for each in (place, later):
                each.parent.mkdir(parents=True)
            place.symlink_to(file)
            if name == "processed":
                rows = pq.read_table(file, partitioning=None)
                stamps = pc.add(rows["timestamp"], pd.Timedelta(days=90).to_pytimedelta())
                pq.write_table(rows.set_column(1, "timestamp", stamps), later, compression="zstd")
            else:
                later.symlink_to(file)
    return folder


def seconds(work: Callable[[], Any]) -> float:
    """Shortest time of some work, done once before."""
    work()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


class Clock:
    """Stands in for the engine's call of DuckDB, and keeps how long that took."""

    def __init__(self) -> None:
        self.inside, self._call = 0.0, duckdb_engine._rows
        duckdb_engine._rows = self

    def __call__(self, *given: Any) -> Any:
        began = time.perf_counter()
        rows = self._call(*given)
        self.inside = time.perf_counter() - began
        return rows

    def ours(self, work: Callable[[], Any]) -> float:
        """Shortest time of some work without what DuckDB took, done once before."""
        taken = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began - self.inside)
        return min(taken[1:])


class Instant:
    """An Athena that answers at once, with one row of numbers: what is left is ours."""

    def start_query_execution(self, **_: Any) -> dict[str, str]:
        return {"QueryExecutionId": "q"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}, "Statistics": {"DataScannedInBytes": 1}}}

    def get_query_results(self, **_: Any) -> dict[str, Any]:
        cells = [{"Data": [{"VarCharValue": "1"}] * 8}] * 1000
        described = [{"Name": f"c{at}", "Type": "double"} for at in range(8)]
        return {"ResultSet": {"Rows": cells, "ResultSetMetadata": {"ColumnInfo": described}}}


def main() -> None:
    """Measure, and write the section."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lake", type=Path, required=True)
    options.add_argument("--dry", action="store_true", help="print only")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = with_two_runs(chosen.lake.resolve(), Path(folder) / "lake")
        settings = Settings.model_validate({"store": str(lake), "athena": {"workgroup": "w", "database": "d"}})
        clock = Clock()
        engine, athena = DuckDbEngine(Store(settings.store), settings), AthenaEngine(Instant(), settings)
        rows, worst, own = [], 0.0, 0.0
        for name in names():
            query = load(name)
            began = time.perf_counter()
            answer = engine.run(query)
            first = time.perf_counter() - began
            whole = seconds(lambda query=query: engine.run(query))
            added = clock.ours(lambda query=query: engine.run(query))
            sent = seconds(lambda query=query: athena.run(query))
            worst, own = max(worst, whole), max(own, added, sent)
            shown = [f"{first:.2f}", f"{whole:.2f}", f"{added * 1000:.0f}", f"{sent * 1000:.0f}"]
            rows.append([name, str(len(answer.frame)), *shown])
    head = ["query", "rows", "first time, s", "again, s", "ours with DuckDB, ms", "ours with Athena, ms"]
    met = [
        target(f"any query <= {MOST_SECONDS:g} s on DuckDB", f"{worst:.2f} s", worst <= MOST_SECONDS),
        target(f"the wrapper adds <= {MOST_OWN * 1000:g} ms", f"{own * 1000:.0f} ms", own <= MOST_OWN),
    ]
    command = f"```\npython benchmarks/queries.py --lake {chosen.lake.name}\n```"
    how = (
        "10,000 servers, forecasts of 90 days, two runs. First time: with an empty cache of parsed queries. Ours: with "
        "DuckDB the whole call less DuckDB's own time for the text, with Athena a call of an Athena that answers at "
        "once with 1,000 rows. Shortest of five."
    )
    lines = ["## Queries", "", command, "", setting(), "", *targets(met), "", *table(head, rows), "", how]
    body = "\n".join(lines)
    print(body)
    if not chosen.dry:
        write_section("queries", body)


if __name__ == "__main__":
    main()
