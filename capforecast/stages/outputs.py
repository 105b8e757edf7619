"""What a run publishes: summary, PDF, workbook and page, of the run and of each of its business units."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import Field

from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import evaluate, open_baseline
from capforecast.configuration import NOT_IN_RESULTS
from capforecast.exchange import Ingested, Published, Result, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.forecast import registry
from capforecast.lake.datasets import report_key, selection_segment, to_json
from capforecast.lake.store import Store
from capforecast.report.assemble import About, RunTables
from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_html, render_pdf
from capforecast.report.summary import Quality, RunSummary
from capforecast.report.what_if_part import with_scenario
from capforecast.schema import Reference
from capforecast.settings import ReportFormat, ReportSettings, Settings
from capforecast.stages.provenance import provenance, versions
from capforecast.stages.two_hands import shared

log = logging.getLogger(__name__)
Files = dict[str, bytes]
INPUTS = "inputs.json"
NAMES: dict[ReportFormat, tuple[str, str]] = {  # what a file is called among references, and in its folder
    "json": ("summary", "summary.json"),
    "pdf": ("pdf", "capacity-report.pdf"),
    "xlsx": ("workbook", "capacity-report.xlsx"),
    "html": ("html", "capacity-report.html"),
}
_RENDERERS: dict[ReportFormat, Callable[[ReportData, ReportSettings], bytes]] = {
    "json": lambda data, settings: (data.summary.model_dump_json(indent=2) + "\n").encode(),
    "pdf": render_pdf,
    "xlsx": render_workbook,
    "html": lambda data, settings: render_html(data, settings).encode(),
}


class ReportInputs(Result):
    """What a report is made of, kept beside it: enough to render it again. Rows read are not named: too many."""

    ingested: Ingested
    units: list[Unit]
    problems: dict[str, str]
    extras: dict[str, Reference] = Field(default_factory=dict)
    settings: dict[str, Any]
    code: str = ""  # of the run; "" = of an earlier version, which did not say
    versions: dict[str, str] = Field(default_factory=dict)
    part: str | None = None  # the business unit of which this is the part of a larger run; null = all of the run

    @property
    def covered(self) -> list[str]:
        """Business units of the run, finished or not."""
        return sorted([*self.problems, *(unit.business_unit for unit in self.units)])

    @property
    def folder(self) -> str:
        """Where the report lies, below that of the whole fleet: "", or `business_unit=<names>/`."""
        return folder_of([self.part] if self.part else self.covered, self.ingested.business_units)

    def only(self, name: str) -> ReportInputs:
        """Those of one business unit's part."""
        mine = [unit for unit in self.units if unit.business_unit == name]
        problems = {unit: problem for unit, problem in self.problems.items() if unit == name}
        return self.model_copy(update={"units": mine, "problems": problems, "part": name})


def folder_of(names: list[str], every: list[str]) -> str:
    """Folder of a report on some business units, below that of the whole fleet's."""
    return "" if sorted(names) == sorted(every) else f"business_unit={selection_segment(names)}/"


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: pages are a million objects that live until the end, and looking through them
    again and again takes a quarter of the time, for a tenth less memory.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_collector_paused()
def report(
    store: Store,
    settings: Settings,
    ingested: Ingested,
    units: list[Unit],
    problems: dict[str, str],
    extras: dict[str, Reference] | None = None,
) -> Published:
    """Publish the report of a run, and of each of its business units, in the formats of the settings.

    units: those that finished; `problems` says of the others why they are missing; `extras`: fleet-level tables to
    show, by name (`scorecard`, `reliability`). A run of some business units only is published below
    `business_unit=<names>`, beside the fleet's report; so is each unit's own.
    """
    inputs = inputs_of(settings, ingested, units, problems, extras or {})
    if len(inputs.covered) == 1 and inputs.folder:
        inputs = inputs.only(inputs.covered[0])
    tables = _tables(store, inputs)
    data = _data(tables, settings, inputs)
    parts = _parts(settings, inputs, data.summary)

    def given(number: int) -> tuple[ReportData, list[ReportFormat], ReportSettings]:
        part, formats = parts[number]
        return data if number == 0 else _data(tables, settings, part), formats, settings.report

    drawn = shared(len(parts), given, _drawn, settings.report.processes)
    made = {number: _replaced(store, parts[number][0], files) for number, files in drawn}
    return Published(
        complete=data.summary.complete,
        as_of=ingested.as_of,
        cadence=ingested.cadence,
        tiers=data.summary.tiers.model_dump(),
        references=made[0],
        business_units={str(parts[number][0].part): made[number] for number in range(1, len(parts))},
    )


def inputs_of(
    settings: Settings, ingested: Ingested, units: list[Unit], problems: dict[str, str], extras: dict[str, Reference]
) -> ReportInputs:
    """What a report of a run is made of; arguments as in `report`."""
    return ReportInputs(
        ingested=ingested.model_copy(update={"observations": []}), units=units, problems=problems, extras=extras,
        settings=settings.model_dump(mode="json", exclude=NOT_IN_RESULTS), code=code_fingerprint(), versions=versions(),
    )  # fmt: skip


@_collector_paused()
def render(
    store: Store, settings: Settings, inputs: ReportInputs, formats: Iterable[ReportFormat],
    scenario: Scenario | None = None,
) -> Files:  # fmt: skip
    """The files of a report by name, drawn again from the tables it was made of; nothing is written.

    scenario: shown on a page of its own.  Raises MissingObjectError or StaleReferenceError where the tables are gone,
    UsageError where the scenario names what is not there.
    """
    data = _data(_tables(store, inputs), settings, inputs)
    if scenario is not None:
        baseline = open_baseline(store, inputs.ingested.cut_off, cadence=inputs.ingested.cadence)
        data = with_scenario(data, evaluate(baseline, scenario), inputs.part)
    return files_of(data, formats, settings.report)


def files_of(data: ReportData, formats: Iterable[ReportFormat], settings: ReportSettings) -> Files:
    """A report's files by name, one of each format."""
    return {NAMES[each][1]: _RENDERERS[each](data, settings) for each in dict.fromkeys(formats)}


def _drawn(data: ReportData, formats: list[ReportFormat], settings: ReportSettings) -> Files:
    """As files_of, in whatever process."""
    with _collector_paused():
        return files_of(data, formats, settings)


def publish(store: Store, inputs: ReportInputs, files: Files) -> dict[str, Reference]:
    """Put a report's files in its folder; returns their references. Files of other formats there are left alone."""
    kinds = {file: kind for kind, file in NAMES.values()} | {INPUTS: "inputs"}
    return {kinds[name]: store.put(key_of(inputs, name), content) for name, content in files.items()}


def _replaced(store: Store, inputs: ReportInputs, files: Files) -> dict[str, Reference]:
    """Publish a report with what it was made of; files that an earlier run left there would say something else."""
    made = publish(store, inputs, {INPUTS: to_json(inputs.model_dump(mode="json"))} | files)
    for _, name in NAMES.values():
        if name not in files:
            store.delete(key_of(inputs, name))
    return made


def key_of(inputs: ReportInputs, name: str) -> str:
    """Key of a file of a report."""
    return report_key(inputs.ingested.cadence, inputs.ingested.cut_off, inputs.folder + name)


def _parts(
    settings: Settings, inputs: ReportInputs, summary: RunSummary
) -> list[tuple[ReportInputs, list[ReportFormat]]]:
    """The report and those of its business units, with their formats; alone where it is that of its only one."""
    formats: list[ReportFormat] = ["json", *settings.report.formats]
    names = inputs.covered
    if not settings.report.per_business_unit or len(names) < 2:
        return [(inputs, formats)]
    printed = _printed(summary, settings.report)
    log.info("reports of %d business units", len(names))
    units = [(inputs.only(name), [each for each in formats if each != "pdf" or name in printed]) for name in names]
    return [(inputs, formats), *units]


def _printed(summary: RunSummary, settings: ReportSettings) -> set[str]:
    """Business units whose report is printed: those with most servers at risk, where there are too many for all."""
    ranked = sorted(summary.business_units, key=lambda u: (-u.tiers.critical - u.tiers.high, -u.servers, u.name))
    chosen = ranked[: settings.most_unit_pdfs] if "pdf" in settings.formats else []
    if chosen and len(chosen) < len(ranked):
        log.info(
            "PDFs of the %d business units with most servers at risk (setting report.most_unit_pdfs); the other %d "
            "have the other formats. `capforecast report --business-unit NAME --format pdf` prints one",
            len(chosen), len(ranked) - len(chosen),
        )  # fmt: skip
    return {unit.name for unit in chosen}


def _tables(store: Store, inputs: ReportInputs) -> RunTables:
    return RunTables(store, {unit.business_unit: unit.references for unit in inputs.units}, inputs.extras)


def _data(tables: RunTables, settings: Settings, inputs: ReportInputs) -> ReportData:
    history = inputs.ingested
    quality = Quality.model_validate(history.model_dump(include=set(Quality.model_fields)))
    made_from = provenance(history, inputs.units, settings, inputs.extras, inputs.code, inputs.versions)
    about = About(history.cadence, history.cut_off, quality, history.validation, history.known_at, made_from)
    if inputs.part is None:
        return tables.data(settings, about, inputs.problems)
    return tables.data_of_unit(inputs.part, settings, about, inputs.problems.get(inputs.part))


def is_whole(store: Store, reference: Reference) -> bool:
    """Is the referenced object in the store as it was, and for a model, all its tables too?"""
    if not store.holds(reference):
        return False
    return not registry.is_manifest(reference) or registry.is_intact(store, reference)
