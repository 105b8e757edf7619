"""The report of each business unit beside that of the run: its own figures, which are the fleet's row of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from action_samples import actions_frame, bounds_frame, realised_frame, savings_frame, segment_sizes_frame
from evidence_samples import reliability_frame, scorecard_frame
from test_pdf import native_libraries
from test_reconciliation import UNITS, key_of, tables_of

from capforecast.exchange import Ingested, Published, Unit
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.unit_part import part_of_unit
from capforecast.schema import Cadence, Reference
from capforecast.settings import Settings
from capforecast.stages import outputs
from capforecast.stages.outputs import ReportInputs

AS_OF, FOLDER = "2026-01-05T00:00:00+00:00", "reports/cadence=daily/as_of=2026-01-05/"
QUIET = {"formats": ("xlsx",)}


def of_fleet() -> dict[str, pd.DataFrame]:
    """Fleet-level tables of two business units, whose scorecards differ."""
    servers = pd.concat([tables_of(name)["servers"] for name in UNITS], ignore_index=True)
    kinds = ("upsize", "downsize", "stop", "keep")
    made = actions_frame(servers)
    made["action"] = [kinds[i % 4] for i in range(len(made))]
    scores = [scorecard_frame()]
    scores += [scorecard_frame().assign(scope="business_unit", name=name, warned=7 + i) for i, name in enumerate(UNITS)]
    bins = [reliability_frame(), reliability_frame().assign(scope="business_unit", name="media")]
    segments = servers[["server_id", "business_unit"]].assign(segment=0, name="idle", distance=0.1, reason="")
    return {
        "actions": made, "savings": savings_frame(made), "scorecard": pd.concat(scores, ignore_index=True),
        "reliability": pd.concat(bins, ignore_index=True), "segments": segments, "bounds": bounds_frame(),
        "segment_sizes": segment_sizes_frame(),
        "realised": realised_frame().assign(server_id=[servers["server_id"].iloc[0], "elsewhere"]),
    }  # fmt: skip


class Lake:
    """A finished run of two business units, published as asked."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.units = [
            Unit(cadence=Cadence.DAILY, as_of=AS_OF, business_unit=name, servers=4, series=4, usable=3, horizon=90,
                 references={table: write_table(self.store, key_of(table, name), frame)
                             for table, frame in tables_of(name).items()})
            for name in UNITS
        ]  # fmt: skip
        self.extras = {
            name: write_table(self.store, f"{name}/part-0.parquet", frame) for name, frame in of_fleet().items()
        }
        nothing = write_table(self.store, "nothing.parquet", pd.DataFrame({"x": [1]}))
        rows = dict.fromkeys(("files", "files_refused", "rows_rejected", "values_rejected", "duplicates"), 0)
        self.history = Ingested(
            cadence=Cadence.DAILY, as_of=AS_OF, observations=[nothing], inventory=nothing, shapes=nothing,
            quarantine=nothing, validation=nothing, known_at=None, business_units=sorted(UNITS), servers=9,
            rows_read=9, rows_used=9, rejected_by_reason={}, **rows,
        )  # fmt: skip

    def report(
        self, units: list[Unit] | None = None, problems: dict[str, str] | None = None, **changes: Any
    ) -> Published:
        """Publish with these settings `report`."""
        asked = Settings()
        asked = asked.model_copy(update={"report": asked.report.model_copy(update=QUIET | changes)})
        chosen = self.units if units is None else units
        return outputs.report(self.store, asked, self.history, chosen, problems or {}, self.extras)

    def summary(self, references: dict[str, Reference]) -> dict[str, Any]:
        """The summary among a report's files."""
        found: dict[str, Any] = json.loads(self.store.fetch(references["summary"]))
        return found

    def files(self) -> set[str]:
        """Published files, below the fleet's folder."""
        return {key.removeprefix(FOLDER) for key in self.store.keys("reports")}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_figures_of_a_units_report_are_the_fleets_row_of_it(lake: Lake) -> None:
    made = lake.report()
    fleet = lake.summary(made.references)
    assert sorted(made.business_units) == sorted(UNITS)
    for name, references in made.business_units.items():
        mine = lake.summary(references)
        (row,) = [unit for unit in fleet["business_units"] if unit["name"] == name]
        assert mine["business_units"] == [row]
        assert [mine[key] for key in ("servers", "series", "tiers")] == [
            row[key] for key in ("servers", "series", "tiers")
        ]
        assert mine["title"].endswith(f": {name}")
        assert name in mine["definitions"]["this report"]
        assert mine["accuracy"][0] | {"business_unit": name} == mine["accuracy"][1]
        assert mine["accuracy"][1] in fleet["accuracy"]
        assert [pool["name"] for pool in mine["pools"]] == [
            pool["name"] for pool in fleet["pools"] if pool["business_unit"] == name
        ]
        money = {row["kind"]: row for row in fleet["actions"]["savings"] if row["name"] == name}
        shown = {row["kind"]: row for row in mine["actions"]["savings"] if row["scope"] == "fleet"}
        assert {kind: row["monthly_change"] for kind, row in shown.items()} == {
            kind: row["monthly_change"] for kind, row in money.items()
        }
        assert mine["actions"]["servers"] == row["servers"]
        assert mine["warnings"]["ours"][-1]["warned"] == 7 + list(UNITS).index(name)
        assert [(part["name"], part["servers"]) for part in mine["segments"]] == [("idle", row["servers"])]
        assert {risk["business_unit"] for risk in mine["top_risks"]} <= {name}
        assert mine["changes"]["units"] == [unit for unit in fleet["changes"]["units"] if unit["business_unit"] == name]
        assert mine["changes"]["newly_at_risk"] == mine["changes"]["units"][0]["newly_at_risk"]
        recent = mine["warnings"]["last_quarter"]
        assert recent["warned"] * len(UNITS) == fleet["warnings"]["last_quarter"]["warned"] == 8


def test_the_run_says_which_formats_there_are_and_the_summary_is_always_one(lake: Lake) -> None:
    names = {"summary.json", "capacity-report.xlsx", "inputs.json"}
    made = lake.report()
    assert set(made.references) == {"summary", "workbook", "inputs"}
    assert lake.files() == names | {f"business_unit={unit}/{name}" for unit in UNITS for name in names}
    lake.report(formats=("html",), per_business_unit=False)
    html = lake.store.read(f"{FOLDER}capacity-report.html")
    assert b"<html" in html
    assert "capacity-report.xlsx" not in lake.files()  # of the earlier run: it would say something else


def test_only_so_many_units_are_printed_those_at_most_risk(lake: Lake, caplog: pytest.LogCaptureFixture) -> None:
    if not native_libraries():
        pytest.skip("native PDF libraries are missing: make system")
    with caplog.at_level(logging.INFO, "capforecast.stages.outputs"):
        made = lake.report(formats=("pdf",), most_unit_pdfs=1)
    assert {name for name, files in made.business_units.items() if "pdf" in files} == {"media"}  # two at risk, not one
    assert "report.most_unit_pdfs" in caplog.text


def test_a_unit_that_failed_has_a_report_that_says_so(lake: Lake) -> None:
    lake.report()
    made = lake.report(lake.units[:1], {lake.units[1].business_unit: "disk full"})
    failed = lake.summary(made.business_units[lake.units[1].business_unit])
    assert (failed["complete"], failed["servers"]) == (False, 0)
    assert failed["business_units"][0]["problem"] == "disk full"
    assert lake.summary(made.business_units[lake.units[0].business_unit])["complete"]


def test_a_run_of_one_unit_is_that_units_report_and_has_no_further_one(lake: Lake) -> None:
    made = lake.report(lake.units[:1])
    assert made.business_units == {}
    assert lake.files() == {
        f"business_unit=media/{name}" for name in ("summary.json", "inputs.json", "capacity-report.xlsx")
    }
    assert lake.summary(made.references)["title"] == "Weekly capacity report: media"


def test_what_is_drawn_again_is_what_was_published(lake: Lake) -> None:
    made = lake.report()
    settings = Settings()
    for references in (made.references, *made.business_units.values()):
        inputs = ReportInputs.model_validate_json(lake.store.fetch(references["inputs"]))
        same = settings.model_copy(update={"report": settings.report.model_copy(update=QUIET)})
        files = outputs.render(lake.store, same, inputs, ("xlsx", "json"))
        assert files["summary.json"] == lake.store.fetch(references["summary"])
        assert files["capacity-report.xlsx"] == lake.store.fetch(references["workbook"])


def test_parts_of_all_units_make_up_the_fleet() -> None:
    tables = of_fleet()
    parts = {name: part_of_unit(tables, name) for name in UNITS}
    for table in ("actions", "segments"):
        together = pd.concat([part[table] for part in parts.values()])
        assert sorted(together["server_id"]) == sorted(tables[table]["server_id"])
    assert [len(part["realised"]) for part in parts.values()] == [1, 0]
    assert set(parts["media"]["bounds"]["stratum"]) == {"steady", "all servers"}
    nobody = part_of_unit(tables, "nobody")
    assert {name: len(table) for name, table in nobody.items() if len(table)} == {}
    assert part_of_unit({}, "media") == {}


def test_every_file_is_linked_in_the_prefect_ui(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks import outputs as tasks

    made, shown = lake.report(), {}
    monkeypatch.setattr(tasks, "create_markdown_artifact", lambda **given: None)
    for kind, content in (("table", "table"), ("link", "link")):
        monkeypatch.setattr(
            tasks, f"create_{kind}_artifact", lambda key, name=content, **given: shown.update({key: given[name]})
        )
    job = SimpleNamespace(store=lake.store, address=lambda reference: reference.uri)
    tasks.show_report.fn(job, made.model_dump(mode="json"))
    links = {key: link for key, link in shown.items() if isinstance(link, str)}
    assert links["report-workbook"] == f"{FOLDER}capacity-report.xlsx"
    assert set(links) == {"report-workbook", "report-summary"}
    assert [(row["business unit"], row["pdf"], row["workbook"]) for row in shown["unit-reports"]] == [
        (unit, "", f"[workbook]({FOLDER}business_unit={unit}/capacity-report.xlsx)") for unit in sorted(UNITS)
    ]


def test_no_byte_depends_on_how_many_processes_draw(lake: Lake) -> None:
    alone = lake.report(formats=("html", "xlsx"), processes=1)
    files = {name: lake.store.read(f"{FOLDER}{name}") for name in sorted(lake.files())}
    helped = lake.report(formats=("html", "xlsx"), processes=2)
    assert helped == alone
    assert {name: lake.store.read(f"{FOLDER}{name}") for name in sorted(lake.files())} == files
