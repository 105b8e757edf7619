"""Champion against challenger: the rules, one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from versions import DAILY, HORIZON, backtest, day, series_of

from capforecast.forecast.decision import Contender, decide, error_ratio
from capforecast.schema import Reference
from capforecast.settings import ModelsSettings

NAMES = [f"srv-{i}" for i in range(4)]
RECIPE = {"kind": "fleet", "settings": "s", "code": "c"}


def contender(
    version: str, error: Any = 0.8, *, names: list[str] = NAMES, as_of: str = "2026-11-23", **more: Any
) -> Contender:
    horizon = more.pop("horizon", HORIZON)
    manifest = Reference(uri=f"models/c/b/{version}/manifest.json", sha256="0" * 64, rows=len(names))
    return Contender(manifest, version, day(as_of), horizon, RECIPE | more, backtest(names, error, horizon))


def made(champion: Contender | None, challenger: Contender, **more: Any) -> Any:
    given = {"problem": None, "pinned": False, "horizon": HORIZON, "known_share": 1.0} | more
    return decide(champion, challenger, settings=ModelsSettings(), cadence=DAILY, **given)


OLD = contender("old", as_of="2026-11-16")


@pytest.mark.parametrize(
    ("challenger", "action", "words"),
    [
        (contender("new", 0.8 * 1.09), "refreshed", "made as the champion was, on newer data"),
        (contender("new", 0.8 * 1.11), "kept", "1.110 times the champion's over 4 series, not at most 1.10"),
        (contender("new", 0.8 * 0.97, kind="trees"), "promoted", "made with other kind"),
        (contender("new", 0.8 * 0.99, kind="trees"), "kept", "not at most 0.98"),
        (contender("new", 0.8 * 0.97, settings="t", code="d"), "promoted", "other settings and code"),
        (contender("new", np.nan), "refreshed", "no series of both could be scored"),
        (contender("new", 0.8 * 1.05, code="d"), "refreshed", "on newer data by another version of the engine"),
        (contender("new", 0.8 * 1.11, code="d"), "kept", "not at most 1.10"),
        (contender("new", np.nan, settings="t"), "kept", "no series of both could be scored"),
        (contender("new", 0.1, names=["stranger"], settings="t"), "kept", "no series of both could be scored"),
    ],
)
def test_errors_decide_by_how_the_challenger_was_made(challenger: Contender, action: str, words: str) -> None:
    found = made(OLD, challenger)
    assert found.action == action
    assert found.promoted == (action != "kept")
    assert found.use == (OLD if action == "kept" else challenger).manifest
    assert words in found.reason


@pytest.mark.parametrize(("error", "action"), [(0.8 * 0.99, "promoted"), (0.8 * 1.01, "kept")])
def test_a_champion_that_leaves_series_without_a_forecast_has_no_margin(error: float, action: str) -> None:
    new = contender("new", error, settings="t")
    assert made(OLD, new, known_share=0.97).action == action
    assert made(OLD, new).action == "kept"


@pytest.mark.parametrize(
    ("champion", "more", "words"),
    [
        (contender("old", as_of="2026-10-18"), {}, "old is 36 days old, more than 35"),
        (OLD, {"horizon": 60}, "looks 30 d ahead, not 60 d"),
        (OLD, {"known_share": 0.94}, "knows 94.0% of the series to forecast, less than 95%"),
        (OLD, {"problem": "a file is gone"}, "cannot be used: a file is gone"),
        (None, {"problem": "a file is gone"}, "cannot be used: a file is gone"),
    ],
)
def test_a_champion_that_will_not_do_is_replaced_whatever_the_errors(
    champion: Contender | None, more: dict[str, Any], words: str
) -> None:
    found = made(champion, contender("new", 5.0), **more)
    assert (found.action, found.promoted, found.ratio) == ("replaced", True, None)
    assert words in found.reason
    assert made(contender("old", as_of="2026-10-19"), contender("new", 5.0)).action == "kept"  # 35 days: not yet


def test_the_first_is_champion_and_a_pinned_one_stays() -> None:
    assert made(None, contender("new")).action == "first"
    kept = made(contender("old", as_of="2020-01-01"), contender("new", 0.1), pinned=True)
    assert (kept.action, kept.promoted, kept.use.uri) == ("pinned", False, OLD.manifest.uri)
    unusable = made(OLD, contender("new"), pinned=True, problem="gone")
    assert (unusable.action, unusable.promoted, unusable.use) == ("fell_back", False, contender("new").manifest)


def test_only_series_of_both_are_compared() -> None:
    champion = contender("old", [0.5, 0.5, 9.0, np.nan])
    challenger = contender("new", [0.25, 1.0, 0.01], names=["srv-0", "srv-1", "srv-3"])
    assert error_ratio(champion, challenger)[:2] == (pytest.approx(1.0), 2)


def test_other_horizons_are_compared_where_both_were_scored() -> None:
    short, long = contender("old", 0.5), contender("new", 1.0, horizon=90)
    long.errors.loc[long.errors["bucket"].isin(["31-90", "all"]), "relative_mae"] = 50.0
    ratio, count, _ = error_ratio(short, long)
    assert (ratio, count) == (pytest.approx(2.0), 4)


def test_a_faultless_series_decides_nothing_alone() -> None:
    ratio, _, _ = error_ratio(contender("old", [0.0, 0.5, 0.5, 0.5]), contender("new", [0.004, 0.5, 0.5, 0.5]))
    assert ratio == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0.02, 50)] * 2), min_size=1, max_size=6))
def test_the_ratio_turned_round_is_its_inverse_and_knows_no_order(pairs: list[tuple[float, float]]) -> None:
    names = [f"s{i}" for i in range(len(pairs))]
    a, b = (contender(v, [pair[i] for pair in pairs], names=names) for i, v in enumerate("ab"))
    ratio, count, _ = error_ratio(a, b)
    assert count == len(pairs)
    assert ratio == pytest.approx(math.prod(y / x for x, y in pairs) ** (1 / len(pairs)))
    assert error_ratio(b, a)[0] == pytest.approx(1 / ratio)
    shuffled = contender("b", [y for _, y in pairs[::-1]], names=names[::-1])
    assert error_ratio(a, shuffled)[:2] == (ratio, count)


def test_the_share_of_known_series() -> None:
    known = contender("x", names=["a", "b"])
    assert known.knows(series_of(["a", "b"])) == 1.0
    assert known.knows(series_of(["a", "c", "d", "e"])) == 0.25
    assert known.knows(series_of([])) == 1.0


def test_a_refresh_of_few_series_may_be_worse_by_chance() -> None:
    """Errors that scatter by 60 % tell little of four series, and enough of four hundred."""
    scatter = np.random.default_rng(0).normal(0, 0.5, 400)
    scatter -= scatter.mean()
    names = [f"srv-{i}" for i in range(400)]

    def pair(count: int) -> tuple[Contender, Contender]:
        noise = scatter[:count] - scatter[:count].mean()
        old = contender("old", [0.8] * count, names=names[:count])
        return old, contender("new", (0.8 * 1.2 * np.exp(noise)).tolist(), names=names[:count])

    assert made(*pair(4)).action == "refreshed"
    assert made(*pair(400)).action == "kept"


def test_a_trial_with_a_shorter_horizon_takes_nothing_over() -> None:
    champion, trial = contender("old", 0.8, horizon=90), contender("new", 0.1, horizon=30)
    found = made(champion, trial, horizon=30)
    assert (found.action, found.promoted, found.use) == ("kept", False, champion.manifest)
    assert "looks 30 d ahead, not 90 d" in found.reason
    assert made(trial, contender("new", 0.8, horizon=90), horizon=90).promoted, (
        "the other way the champion is too short"
    )
