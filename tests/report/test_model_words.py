"""Which model forecast, and why that one, as a reader meets it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from model_samples import DECISIONS, champion_row

from capforecast.report import model_words
from capforecast.report.model_parts import model_versions
from capforecast.report.summary_models import ModelUsed


def model(action: str, **changes: Any) -> ModelUsed:
    return model_versions(pd.DataFrame([champion_row("Retail", action, **changes)]))[0]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("first", "Retail forecasts with its first model, trained on data before 5 Jan 2026."),
        (
            "promoted",
            "Retail forecasts with a new champion, trained on data before 5 Jan 2026: 7 % smaller error on 118 series "
            "than the champion before it.",
        ),
        (
            "refreshed",
            "Retail forecasts with its champion refreshed, trained on data before 5 Jan 2026: made as the one before "
            "it, with 1 % larger error on 118 series.",
        ),
        (
            "kept",
            "Retail keeps its champion, trained on data before 22 Dec 2025 (14 days old): the challenger has only 1 % "
            "smaller error on 118 series.",
        ),
        (
            "pinned",
            "Retail forecasts with a pinned model, trained on data before 22 Dec 2025 (14 days old): under "
            "investigation, ticket 4711; the challenger has 9 % smaller error on 118 series.",
        ),
        (
            "replaced",
            "Retail forecasts with a new champion, trained on data before 5 Jan 2026: the champion "
            "2025-11-24-0a1b2c3d is 42 days old, more than 35.",
        ),
        (
            "backfill",
            "Retail forecasts with a model of that time, trained on data before 22 Dec 2025: its champion has seen "
            "later data.",
        ),
        (
            "fell_back",
            "Retail forecasts with an older model, trained on data before 22 Dec 2025 (14 days old): the champion "
            "cannot be used (2026-01-04-beefbeef: errors.parquet was changed); 2025-12-22-0a1b2c3d, the last good one, "
            "took its place.",
        ),
        ("champion", "Retail forecasts with its champion, trained on data before 22 Dec 2025 (14 days old)."),
    ],
)
def test_every_decision_is_a_sentence(action: str, expected: str) -> None:
    assert model(action).sentence == expected


def test_every_decision_has_a_label_of_its_own() -> None:
    labels = [model_words.decision(model(action))[0] for action in DECISIONS]
    assert len(set(labels)) == len(labels)


def test_a_decision_this_version_does_not_know_is_still_told() -> None:
    odd = model("champion", reason="by hand.").model_copy(update={"action": "rolled_back"})
    assert model_words.decision(odd) == ("rolled back", "by hand")
    assert model_words.sentence(odd).startswith(
        "Retail forecasts with model 2025-12-22-0a1b2c3d, trained on data before"
    )


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0049, "the same error"), (0.9951, "the same error"), (1.3, "30 % larger error"), (12.5, "1,150 % larger")],
)
def test_errors_are_compared_in_whole_percent(ratio: float, expected: str) -> None:
    said = model("kept", ratio=ratio).sentence
    assert f"the challenger has {expected}" in said


def test_a_comparison_without_series_is_none() -> None:
    assert model_words.why(model("promoted", series_compared=0)).startswith("2026-01-05-f00dcafe, made with other code")
    assert model_words.why(model("kept", ratio=None, reason="it was rolled back from")) == "it was rolled back from"


def test_a_new_model_in_the_place_of_a_broken_pinned_one_is_not_called_old() -> None:
    stand_in = model("fell_back", version="2026-01-05-f00dcafe1234", challenger="2026-01-05-f00dcafe1234")
    assert stand_in.sentence.startswith("Retail forecasts with a new model that is not its champion, trained on")


def test_a_pinned_model_without_a_reason_needs_none() -> None:
    bare = model("pinned", reason="2025-12-22-0a1b2c3d4e5f is pinned", ratio=None)
    assert model_words.decision(bare) == ("pinned", "")


def test_a_version_is_shortened_to_date_and_eight_characters() -> None:
    assert model_words.short_version("2026-01-05-0a1b2c3d4e5f") == "2026-01-05-0a1b2c3d"
    assert model_words.short_version("2026-01-05T14-0a1b2c3d4e5f") == "2026-01-05T14-0a1b2c3d"
    assert model_words.short_version("by-hand") == "by-hand"


@pytest.mark.parametrize(
    ("days", "expected"), [(0.25, "6 hours"), (1.0, "1 day"), (1.5, "36 hours"), (14.0, "14 days"), (30.2, "30 days")]
)
def test_age_in_hours_only_where_days_would_say_little(days: float, expected: str) -> None:
    assert model_words.age_words(days) == expected


def test_a_cut_off_within_a_day_shows_its_hour() -> None:
    assert model_words.moment("2026-01-05T14:00:00+00:00").replace("\N{NO-BREAK SPACE}", " ") == "5 Jan 2026 14:00"
    assert model_words.moment("unheard of") == "unheard of"
