"""What people are told of models and drift beside the headline."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
from model_samples import champions_frame, drift_rows, with_models
from report_samples import report_data, servers_frame

from capforecast.report.model_notes import model_notes


def notes_of(actions: dict[str, str], drift: list[dict[str, object]]) -> list[str]:
    data = with_models(report_data(servers_frame(5), fans=0), champions_frame(actions), pd.DataFrame(drift))
    return model_notes(data.summary.model_dump(mode="json"))


def test_only_older_and_pinned_models_and_alarms_are_noted() -> None:
    actions = {"a": "kept", "b": "fell_back", "c": "promoted", "d": "pinned"}
    notes = notes_of(actions, drift_rows("a") + drift_rows("b", alarms=("live_error",)))
    assert [note.split(",")[0] for note in notes] == [
        "b forecasts with an older model",
        "d forecasts with a pinned model",
        "b: live error of mem: 41 of 120 series are over their limit",
    ]
    assert notes_of({"a": "champion"}, drift_rows("a")) == []


def test_many_are_counted() -> None:
    names = [f"unit {i}" for i in range(9)]
    drift = [row for name in names for row in drift_rows(name, alarms=("input_level", "tier_change"))]
    notes = notes_of(dict.fromkeys(names, "fell_back"), drift)
    assert len(notes) == 12
    assert notes[5] == "4 more fall-back or pinned models: see the report, under models and drift"
    assert notes[-1] == "13 more drift alarms: see the report, under models and drift"


def test_a_summary_of_an_earlier_version_has_no_notes() -> None:
    assert model_notes({"schema_version": 2}) == []


def test_the_command_line_loads_no_data_library_for_notes() -> None:
    code = "import sys, capforecast.report.model_notes; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
