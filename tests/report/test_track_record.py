"""What is said of the warnings' record: counts that add up, and verdicts no stronger than the evidence."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from evidence_samples import ORIGINS, RULES, reliability_frame, score_row, scorecard_frame

from capforecast.report.summary import Scorecard
from capforecast.report.track_record import rule_name, track_record, verdicts


def record(**changes: Any) -> Scorecard:
    found = track_record(scorecard_frame(**changes), reliability_frame(), ORIGINS, 60)
    assert found is not None
    return found


def of(**changes: Any) -> Scorecard:
    """The record of one row of ours."""
    found = track_record(pd.DataFrame([score_row(**changes)]), pd.DataFrame(), ORIGINS, 60)
    assert found is not None
    return found


def said(found: Scorecard) -> str:
    return " ".join([found.sentence, *verdicts(found)]).replace("\N{NO-BREAK SPACE}", " ")


def test_the_answer_in_one_line_counts_warnings_and_events() -> None:
    found = record()
    assert found.sentence == (
        "Of 138 warnings at 6 replayed dates (19 May 2025 to 6 Oct 2025), 91 came true within 90 d (base rate 13 %); "
        "47 were false: 14.5 per 100 servers and month."
    )
    ours = found.ours[-1]
    assert ours.warned == ours.came_true + ours.false
    assert [score.horizon_days for score in found.ours] == [30, 90]
    assert (found.servers, found.of_servers, found.sampled, found.series) == (54, 60, True, 160)


def test_rules_stand_beside_ours_and_only_those_of_the_fleet_as_a_whole() -> None:
    found = record()
    per_horizon = [rule.rule for rule in found.rules if rule.horizon_days == 90]
    assert per_horizon == [rule for rule in RULES if rule != "capforecast"]
    assert {rule.events for rule in found.rules if rule.horizon_days == 30} == {96}


def test_a_verdict_is_no_stronger_than_its_interval() -> None:
    text = said(record())
    assert "can be taken at their word: 14 % was stated on average, 13 % breached" in text
    assert "finds more breaches than “line through the last 28 days” (1.28 times as many [1.11 to 1.46])" in text
    assert "is level with “above 0.9 of the threshold in the last 7 days” (0.96 times as many" in text
    assert "finds fewer" not in text
    assert "warn of everything" not in text
    worse = score_row("near threshold") | {"recall_ratio": 0.8, "ratio_low": 0.7, "ratio_high": 0.9}
    table = pd.DataFrame([score_row(), worse])
    fewer = track_record(table, pd.DataFrame(), ORIGINS, 60)
    assert fewer is not None
    assert "finds fewer breaches than “above 0.9" in said(fewer)


def test_an_overconfident_model_is_shown_as_such() -> None:
    text = said(of(mean_probability=0.41, calibration_error=0.28, brier_skill=-0.5, skill_low=-0.7, skill_high=-0.3))
    assert "The probabilities are too high: 41 % was stated on average, 13 % breached. Overconfident" in text
    assert "Stating the base rate for every server would have been better (Brier skill −0.50" in text
    assert "at their word" not in text
    assert "too low: 5.0 % was stated" in said(of(mean_probability=0.05))
    assert "8 points off bin by bin" in said(of(calibration_error=0.08))


def test_few_events_are_said_and_not_judged() -> None:
    text = said(of(events=12, cases=400))
    assert "With 12 breaches this is too few to judge by." in text
    assert "Events: 12 breaches within 90 d. That is too few to say how good the warnings are" in text
    assert "at their word" not in text
    some = said(of(events=90))
    assert "All this rests on 90 breaches; below 200 it is an indication, not proof." in some
    assert "indication" not in said(of(events=240))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"events": 0, "recall": float("nan"), "warned": 3, "precision": 0.0}, "Nothing breached within 90 d of"),
        ({"warned": 0, "precision": float("nan"), "recall": 0.0}, "No warning would have been given at 6 replayed"),
        ({"warned": 1, "precision": 0.0, "events": 40, "recall": 0.0}, "Of 1 warning at 6 replayed dates"),
    ],
)
def test_no_events_and_no_warnings_are_said_plainly(changes: dict[str, Any], expected: str) -> None:
    found = of(**changes)
    assert found.sentence.startswith(expected)
    assert "nan" not in said(found)


def test_nothing_replayed_is_no_record() -> None:
    assert track_record(pd.DataFrame(), pd.DataFrame(), {}, 60) is None
    assert track_record(pd.DataFrame([score_row(cases=0, events=0)]), pd.DataFrame(), {}, 60) is None


def test_one_threshold_and_short_horizons_are_used_where_there_are_no_others() -> None:
    found = track_record(pd.DataFrame([score_row(level="high", horizon_days=14)]), pd.DataFrame(), {}, 60)
    assert found is not None
    assert [score.horizon_days for score in found.ours] == [14]
    assert "at 6 replayed dates, 91 came true within 14 d" in found.sentence


def test_rules_have_names_that_readers_know() -> None:
    assert rule_name("capforecast >= 0.1").replace("\N{NO-BREAK SPACE}", " ") == "this report, from 10 % on"
    assert rule_name("tier watch") == "tier watch"
