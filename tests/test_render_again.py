"""`capforecast report` of a run that another version made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capforecast import configuration, stages
from capforecast.errors import StaleReferenceError, UsageError
from capforecast.lake.store import Store
from capforecast.stages.outputs import ReportInputs
from deployments.reports import Wanted, formats_of, inputs_of, render_again, send_again


def test_inputs_of_another_version_are_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    folder.mkdir(parents=True)
    content = {"ingested": {"cadence": "daily"}, "units": [], "problems": {}, "settings": {}}
    (folder / "inputs.json").write_text(json.dumps(content))
    loaded = configuration.load(overrides={"store": str(tmp_path)})
    with pytest.raises(UsageError, match=r"another version of capforecast .*run again with --as-of 2025-09-12"):
        render_again(loaded, Wanted("2025-09-12"), ("json",), None)


def test_tables_that_a_later_run_replaced_are_said_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    folder.mkdir(parents=True)
    rows = ("rows_read", "rows_used", "rows_rejected", "values_rejected", "duplicates")
    counts = dict.fromkeys(("servers", "files", "files_refused", *rows), 0)
    table = {"uri": "x", "sha256": "0", "rows": 0}
    ingested = {
        "cadence": "daily", "as_of": "2025-09-12T00:00:00+00:00", "known_at": None, "business_units": ["retail"],
        "rejected_by_reason": {}, **dict.fromkeys(("inventory", "shapes", "quarantine", "validation"), table), **counts,
    }  # fmt: skip
    content = {"ingested": ingested, "units": [], "problems": {}, "settings": {}}
    (folder / "inputs.json").write_text(json.dumps(content))
    loaded = configuration.load(overrides={"store": str(tmp_path)})

    def replaced(*given: object) -> None:
        raise StaleReferenceError("risks/...retail has changed")

    monkeypatch.setattr(stages, "render", replaced)
    with pytest.raises(StaleReferenceError, match=r"later run of that day.*retail.*--as-of 2025-09-12"):
        render_again(loaded, Wanted("2025-09-12"), ("json",), None)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with the inputs of the fleet's report and of one of two units; nothing of it can be read."""
    table = {"uri": "x", "sha256": "0", "rows": 0}
    counts = dict.fromkeys(("servers", "files", "files_refused", "rows_read", "rows_used", "rows_rejected"), 0)
    ingested = {
        "cadence": "daily", "as_of": "2025-09-12T00:00:00+00:00", "known_at": None, "values_rejected": 0,
        "business_units": ["payments", "retail"], "rejected_by_reason": {}, "duplicates": 0, **counts,
        **dict.fromkeys(("inventory", "shapes", "quarantine", "validation"), table),
    }  # fmt: skip
    content = {"ingested": ingested, "units": [], "problems": {"payments": "p", "retail": "r"}, "settings": {}}
    folder = tmp_path / "reports/cadence=daily/as_of=2025-09-12"
    (folder / "business_unit=retail").mkdir(parents=True)
    (folder / "inputs.json").write_text(json.dumps(content))
    part = content | {"problems": {"retail": "its own"}, "part": "retail"}
    (folder / "business_unit=retail/inputs.json").write_text(json.dumps(part))
    return tmp_path


@pytest.mark.parametrize(
    ("units", "part", "folder"),
    [
        ((), None, ""),
        (("retail", "payments"), None, ""),
        (("retail",), "retail", "business_unit=retail/"),
        (("payments",), "payments", "business_unit=payments/"),  # it has no report of its own: the fleet's tables
    ],
)
def test_a_report_is_found_by_its_business_units(lake: Path, units: tuple[str, ...], part: str, folder: str) -> None:
    found = inputs_of(Store(lake), Wanted("2025-09-12", business_units=units))
    assert (found.part, found.folder) == (part, folder)
    assert set(found.problems) == ({part} if part else {"payments", "retail"})


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("2025-09-13"), r"there are: 2025-09-12 \(the fleet, retail\)"),
        (Wanted("2025-09-12", business_units=("nobody",)), "no business unit is called 'nobody'; known: payments, ret"),
        (Wanted("2025-09-12", cadence="weekly"), "use daily or hourly"),
    ],
)
def test_a_report_that_is_not_there_is_said_with_those_that_are(lake: Path, wanted: Wanted, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        inputs_of(Store(lake), wanted)


def test_files_go_where_they_are_wanted_and_the_lake_is_left_alone(lake: Path, tmp_path: Path) -> None:
    loaded = configuration.load(environment={}, overrides={"store": str(lake), "report.title": "Mine"})
    before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
    wanted = Wanted("2025-09-12", business_units=("payments",))
    with pytest.raises(StaleReferenceError, match="on payments cannot be made of its own tables"):
        render_again(loaded, wanted, ("json",), tmp_path / "out")  # the table of rows read is not there
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


def test_a_unit_whose_own_tables_are_gone_is_drawn_from_the_fleets(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []

    def render(store: object, settings: object, inputs: ReportInputs, formats: object) -> dict[str, bytes]:
        parts.append(inputs.part)
        if len(parts) == 1:
            raise StaleReferenceError("risks/...retail has changed")
        return {"summary.json": b"{}"}

    monkeypatch.setattr(stages, "render", render)
    loaded = configuration.load(overrides={"store": str(lake)})
    found = inputs_of(Store(str(lake)), Wanted("2025-09-12", business_units=("retail",)))
    render_again(loaded, Wanted("2025-09-12", business_units=("retail",)), ("json",), tmp_path / "out")
    assert parts == [found.part, "retail"]
    parts.clear()
    with pytest.raises(StaleReferenceError, match="later run of that day"):
        render_again(loaded, Wanted("2025-09-12"), ("json",), tmp_path / "out")


def test_formats_are_those_named_or_those_of_the_settings() -> None:
    settings = configuration.load(environment={}, overrides={"report.formats": ["html"]}).settings
    assert formats_of(None, settings) == ("html",)
    assert formats_of("XLSX, pdf", settings) == ("pdf", "xlsx")
    for wrong in ("", "word", "pdf,docx"):
        with pytest.raises(UsageError, match="pdf,xlsx,json,html"):
            formats_of(wrong, settings)


def test_sending_again_needs_somebody_to_send_to_and_a_published_report(lake: Path) -> None:
    nobody = configuration.load(environment={}, overrides={"store": str(lake)})
    with pytest.raises(UsageError, match="nobody is named"):
        send_again(nobody, Wanted("2025-09-12"))
    somebody = configuration.load(
        environment={}, overrides={"store": str(lake), "delivery.webhook_url_env": "REPORT_HOOK"}
    )
    with pytest.raises(UsageError, match=r"not published.*report --as-of 2025-09-12 --business-unit retail"):
        send_again(somebody, Wanted("2025-09-12", business_units=("retail",)))
