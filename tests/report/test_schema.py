"""The published JSON Schema of summary.json: current, complete, and true of a summary with everything in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from action_samples import with_actions
from evidence_samples import with_evidence
from model_samples import champions_frame, drift_rows, drift_series_frame, with_models
from report_samples import report_data, servers_frame
from test_changes import NOW, THEN, WEEK, servers

from capforecast.report.changes import changes_part, compared
from capforecast.report.schema import schema_text, summary_schema
from capforecast.report.summary import RunSummary
from capforecast.report.summary_parts import Tiers
from capforecast.report.summary_provenance import Provenance
from capforecast.report.summary_what_if import WhatIf, WhatIfRow

jsonschema = pytest.importorskip("jsonschema")
PROVENANCE = Provenance(run_key="a", inputs="b", settings="c", code="d", versions={"numpy": "2"}, models={"a": "v1"})
ROW = WhatIfRow(
    name="retail", servers_before=1, servers=1, tiers_before=Tiers(ok=1), tiers=Tiers(high=1), monthly_before=1.0,
    monthly=1.0, safe_monthly_before=1.0, safe_monthly=2.0,
)  # fmt: skip
WHAT_IF = WhatIf(
    name="q3", scenario="0123456789abcdef", note="n", changes=["c"], sentence="s", currency="USD", fleet=ROW,
    units=[ROW], differing=1, notes=["n"],
)  # fmt: skip
PUBLISHED = Path(__file__).parents[2] / "docs" / "summary.schema.json"


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """A summary in which no part is missing, as JSON has it."""
    data = with_actions(with_evidence(report_data(servers_frame(60), fans=0, failed=("Payments",))))
    checks = pd.DataFrame(drift_rows("Logistics", alarms=("input_level",)))
    data = with_models(data, champions_frame({"Logistics": "kept"}), checks, drift_series_frame("Logistics"))
    changes = changes_part(compared(servers(THEN, since=WEEK), servers(NOW)), ["retail"])
    made = data.summary.model_copy(update={"changes": changes, "provenance": PROVENANCE, "what_if": WHAT_IF})
    found: dict[str, Any] = json.loads(made.model_dump_json())
    empty = [name for name, value in found.items() if value in (None, [], {})]
    assert empty == ["known_at", "accuracy_at_risk"]
    return found


def problems(summary: dict[str, Any]) -> list[str]:
    checker = jsonschema.Draft202012Validator(summary_schema())
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in checker.iter_errors(summary)]


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text(), "make schema"


def test_the_schema_is_one_and_knows_a_whole_summary(summary: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(summary_schema())
    assert problems(summary) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("servers",), "60"),
        (("tiers", "critical"), None),
        (("schema_version",), 1),
        (("top_risks", 0, "probability"), "high"),
        (("changes", "top_worse", 0, "server"), "a further field"),
    ],
)
def test_what_a_summary_never_holds_is_refused(summary: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    wrong = json.loads(json.dumps(summary))
    part = wrong
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert len(problems(wrong)) >= 1


def test_a_field_that_is_missing_is_noticed(summary: dict[str, Any]) -> None:
    for name in summary:
        assert problems({key: value for key, value in summary.items() if key != name}), name


def test_every_field_is_described_and_every_part_too() -> None:
    schema = summary_schema()
    parts = {"RunSummary": schema} | schema["$defs"]
    silent = [f"{part}.{name}" for part, content in parts.items() for name, field in content["properties"].items()
              if len(field.get("description", "")) < 5]  # fmt: skip
    assert silent == []
    assert [part for part, content in parts.items() if not content.get("description")] == []
    assert set(parts["Tiers"]["properties"]) == set(Tiers.model_fields)
    assert set(schema["required"]) == set(RunSummary.model_fields)
