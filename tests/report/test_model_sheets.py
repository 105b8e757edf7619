"""Sheets on models and drift."""

from __future__ import annotations

import pandas as pd
import pytest
from model_samples import champion_row, drift_rows, drift_series_frame, with_models
from report_samples import report_data, servers_frame
from test_excel import opened, rows

from capforecast.report import model_sheets

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")


def test_versions_checks_and_series_in_full() -> None:
    champions = pd.DataFrame(
        [
            champion_row("=HYPERLINK(1)", "pinned", reason="=1+1"),
            champion_row("retail", "first", previous_as_of=""),
            champion_row("web", "kept", previous_as_of="2025-12-22T14"),
        ]
    )
    drift = pd.DataFrame(drift_rows("retail", alarms=("live_error",), before=True) + drift_rows("media", before=False))
    book = opened(with_models(report_data(servers_frame(5), fans=0), champions, drift, drift_series_frame("retail")))
    pinned, first, hourly = rows(book["Models"])
    assert (pinned["Run before"], hourly["Run before"]) == (
        pd.Timestamp("2025-12-22"),
        pd.Timestamp("2025-12-22 14:00"),
    )
    assert (pinned["Business unit"], pinned["Reason as recorded"]) == ("=HYPERLINK(1)", "=1+1")
    assert {cell.data_type for row in book["Models"].iter_rows() for cell in row if cell.value is not None} == {
        "s",
        "n",
        "d",
    }
    assert (pinned["Trained before"], first["Run before"]) == (pd.Timestamp("2025-12-22"), None)
    assert (pinned["Decision"], first["Decision"]) == ("pinned", "first model")
    assert (pinned["Challenger to champion"], first["Challenger to champion"]) == (0.91, None)
    assert pinned["Version"] == "2025-12-22-0a1b2c3d4e5f", "whole, to be given to the command line"
    checks = rows(book["Drift"])
    assert (checks[0]["Alarm"], checks[0]["Check"], checks[0]["Metric checked"]) == ("yes", "live error", "mem")
    unmade = [row for row in checks if row["Found"] is None]
    assert len(unmade) == 3
    assert {row["In words"] for row in unmade} == {"media: no earlier run to compare with"}
    first_series = rows(book["Drift by series"])[0]
    assert first_series["Server"] == "=1+1"
    assert (first_series["Check"], first_series["Found"], first_series["Limit"]) == ("input level", 5.2, 4.0)
    notes = {cell.value: cell.comment.text for cell in book["Drift by series"][1]}
    assert not any(note.startswith("Label") for note in notes.values()), "no source gave these columns"
    assert book["Models"].auto_filter.ref == "A1:Q4"
    assert book["Models"].freeze_panes == "B2"


def test_sheets_without_rows_say_why() -> None:
    book = opened(report_data(servers_frame(5), fans=0))
    for name, text in (("Models", model_sheets.NO_VERSION), ("Drift", model_sheets.NO_CHECK),
                       ("Drift by series", model_sheets.NO_DRIFT)):  # fmt: skip
        assert book[name]["A2"].value == text
