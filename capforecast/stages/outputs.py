"""What a run publishes: summary, PDF, workbook."""

from __future__ import annotations

from capforecast.configuration import NOT_IN_RESULTS
from capforecast.exchange import Ingested, Published, Unit
from capforecast.forecast import registry
from capforecast.lake.datasets import report_key, selection_segment, to_json
from capforecast.lake.store import Store
from capforecast.report.assemble import report_data
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_pdf
from capforecast.report.summary import Quality
from capforecast.schema import Reference
from capforecast.settings import Settings
from capforecast.stages.provenance import provenance


def report(
    store: Store,
    settings: Settings,
    ingested: Ingested,
    units: list[Unit],
    problems: dict[str, str],
    extras: dict[str, Reference] | None = None,
) -> Published:
    """Summary, PDF and workbook of the finished units; `problems` says of the others why they are missing;
    `extras`: fleet-level tables to show, by name (`scorecard`, `reliability`).

    A run of some business units only is published below `business_unit=<name>`, beside the fleet's report.
    """
    data = report_data(
        store,
        settings,
        cadence=ingested.cadence,
        as_of=ingested.cut_off,
        units={unit.business_unit: unit.references for unit in units},
        problems=problems,
        quality=Quality.model_validate(ingested.model_dump(include=set(Quality.model_fields))),
        validation=ingested.validation,
        known_at=ingested.known_at,
        extras=extras,
        provenance=provenance(ingested, units, settings, extras or {}),
    )
    inputs = {
        "ingested": ingested.model_dump(mode="json", exclude={"observations"}),
        "units": [unit.model_dump(mode="json") for unit in units],
        "problems": problems,
        "extras": {name: reference.model_dump(mode="json") for name, reference in (extras or {}).items()},
        "settings": settings.model_dump(mode="json", exclude=NOT_IN_RESULTS),
    }
    covered = sorted([*problems, *(unit.business_unit for unit in units)])
    folder = "" if covered == ingested.business_units else f"business_unit={selection_segment(covered)}/"
    files = {
        "inputs": ("inputs.json", to_json(inputs)),
        "pdf": ("capacity-report.pdf", render_pdf(data, settings.report)),
        "workbook": ("capacity-report.xlsx", render_workbook(data, settings.report)),
        "summary": ("summary.json", (data.summary.model_dump_json(indent=2) + "\n").encode()),
    }
    return Published(
        complete=data.summary.complete,
        as_of=ingested.as_of,
        cadence=ingested.cadence,
        tiers=data.summary.tiers.model_dump(),
        references={
            name: store.put(report_key(ingested.cadence, ingested.cut_off, folder + file), content)
            for name, (file, content) in files.items()
        },
    )


def is_whole(store: Store, reference: Reference) -> bool:
    """Is the referenced object in the store as it was, and for a model, all its tables too?"""
    if not store.holds(reference):
        return False
    return not registry.is_manifest(reference) or registry.is_intact(store, reference)
