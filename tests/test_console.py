"""What the console says besides the table."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from deployments import console
from deployments.console import notes


def a_summary(**changes: Any) -> dict[str, Any]:
    quality = {"rows_read": 600, "rows_rejected": 0, "rejected_by_reason": {}}
    return {"reach": "", "horizon": "90 d", "quality": quality} | changes


def test_a_sound_run_needs_no_note() -> None:
    assert notes(a_summary()) == []


def test_a_shorter_reach_and_rows_set_aside_are_said() -> None:
    quality = {"rows_read": 600, "rows_rejected": 240, "rejected_by_reason": {"bad_timestamp": 233, "off_grid": 7}}
    reach, rows = notes(a_summary(reach="14 d", quality=quality))
    assert "14 d ahead, not 90 d" in reach
    assert "240 of 600 rows" in rows
    assert "each of their values with its reason (233 bad_timestamp, 7 off_grid)" in rows


def test_older_models_and_drift_are_said() -> None:
    models = [{"action": "fell_back", "sentence": "a forecasts with an older model."},
              {"action": "kept", "sentence": "b keeps its champion."}]  # fmt: skip
    drift = [{"alarm": True, "sentence": "a: level of cpu moved"}, {"alarm": False, "sentence": "b: nothing"}]
    said = notes(a_summary(model_versions=models, drift=drift))
    assert said == ["a forecasts with an older model.", "a: level of cpu moved"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_score_is_cut_off_in_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Console(width=width, record=True, quiet=False)
    monkeypatch.setattr(console, "out", shown)
    names = ("series", "relative_mae", "coverage_80", "coverage_95", "cpu_seconds", "mae", "rmse", "wape", "mase")
    console.show_scores([{"model": kind} | dict.fromkeys(names, 0.123) for kind in ("fleet", "seasonal-naive")])
    text = shown.export_text()
    assert "…" not in text
    assert text.count("0.123") == 2 * len(names)
    assert all(name in text for name in ("seasonal-naive", *names))


def test_the_answer_comes_with_what_to_do_and_how_good_past_warnings_were(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Console(width=200, record=True, quiet=False)
    monkeypatch.setattr(console, "out", shown)
    tiers = dict.fromkeys(("critical", "high", "watch", "ok", "unknown"), 1)
    told = a_summary(tiers=tiers, servers=5, as_of="2026-11-23T00:00:00", business_units=[], top_risks=[])
    evidence = {"warnings": {"sentence": "6 of 10 warnings came true."}, "actions": {"sentence": "1 server can stop."}}
    console.show_tiers(told | evidence)
    text = shown.export_text()
    assert "track record 6 of 10 warnings came true." in text
    assert "actions 1 server can stop." in text
    console.show_tiers(told | {"warnings": None, "actions": None})
    text = shown.export_text()
    assert "track record" not in text
    assert "actions" not in text


def test_a_name_cannot_give_the_terminal_orders(capsys: pytest.CaptureFixture[str]) -> None:
    name = "web\x1b]0;gone\x07\x1b[2J\x9b1m\r1"
    console.show_text(f"not read: {name}\nnext\tline")
    console.show_table([{"server": name}])
    console.fail(ValueError(name), 1, as_json=False, verbose=False)
    told = capsys.readouterr()
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(told.out + told.err)
    assert told.out.startswith("not read: web\\x1b]0;gone\\x07\\x1b[2J\\x9b1m\\x0d1\nnext")
    assert "\\x1b[2J" in told.err
