"""The scorecard: counts that reconcile, figures reckoned by hand, and an overconfident model shown as such."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.risk.past_warnings import no_warnings, past_warnings
from capforecast.risk.resampling import interval
from capforecast.risk.scorecard import EVERYTHING, LOGISTIC, NEAR, OURS, score
from capforecast.schema import RELIABILITY_COLUMNS, SCORECARD_COLUMNS, SERVER_ID, Cadence
from capforecast.settings import Settings

SETTINGS = Settings()


def table_of(rng: np.random.Generator, servers: int = 30, origins: int = 8, blur: float = 0.0) -> pd.DataFrame:
    """Cases whose probabilities are true, or with `blur` too bold."""
    number = servers * origins * 2
    place = np.arange(number)
    p = rng.beta(0.6, 2.5, number)
    days = np.where(rng.random(number) < p, rng.integers(1, 31, number), np.nan)
    bold = np.where(p > 0.2, p ** (1 - blur), p * (1 - blur))
    return pd.DataFrame(
        {
            "server_id": [f"s{i:03d}" for i in place % servers],
            "metric": np.where(place % servers < servers // 3, "mem", "cpu"),
            "business_unit": np.where(place % servers % 2 == 0, "retail", "payments"),
            "region": np.where(place % servers % 4 == 0, "eu", "us"),
            "criticality": "gold",
            "origin": pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(30 * (place // servers // 2), unit="D"),
            "level": np.where(place // servers % 2 == 0, "high", "very_high"),
            "threshold": 80.0,
            "paths": 100,
            "days_q10": np.nan,
            "days_q50": np.nan,
            "event_days": days,
            "observed_days": 90,
            "line_28": np.where(rng.random(number) < 0.2, 10.0, np.inf),
            "line_90": np.inf,
            "near_share": 0.5 + 0.6 * p,
            "above_share": p / 2,
            "p_30d": bold,
        }
    ).astype({"level": "str", "metric": "str"})


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    return table_of(np.random.default_rng(11))


@pytest.fixture(scope="module")
def rows(cases: pd.DataFrame) -> pd.DataFrame:
    return score(cases, SETTINGS).rows


def row_of(rows: pd.DataFrame, rule: str, scope: str = "fleet", level: str = "both", name: str = "") -> pd.Series:
    found = rows[(rows["scope"] == scope) & (rows["level"] == level) & (rows["rule"] == rule) & (rows["name"] == name)]
    assert len(found) == 1
    return found.iloc[0]


def test_precision_recall_and_alarms_are_those_counted_by_hand(cases: pd.DataFrame, rows: pd.DataFrame) -> None:
    came = (cases["event_days"] <= 30).to_numpy()
    for rule, told in ((OURS, cases["p_30d"] >= 0.5), (f"{OURS} >= 0.1", cases["p_30d"] >= 0.1),
                       (NEAR, cases["near_share"] > 0.9), ("line 28 d", cases["line_28"] <= 30)):  # fmt: skip
        row, warned = row_of(rows, rule), told.to_numpy()
        assert (row["cases"], row["events"], row["warned"]) == (len(cases), came.sum(), warned.sum())
        assert row["precision"] == pytest.approx(came[warned].mean())
        assert row["recall"] == pytest.approx(warned[came].mean())
        assert row["recall_low"] <= row["recall"] <= row["recall_high"]
        months = 8 * 30 / (365.25 / 12)
        assert row["false_alarms"] == pytest.approx((warned & ~came).sum() / (30 / 100 * months))
        assert row["lead_days"] == cases["event_days"][warned & came].median()
    silent = row_of(rows, "line 90 d")
    assert silent["recall"] == 0.0
    assert np.isnan(silent[["precision", "lead_days", "recall_ratio"]].to_numpy(dtype=float)).all()


def test_skill_is_over_the_base_rate_of_each_metric_and_level(cases: pd.DataFrame, rows: pd.DataFrame) -> None:
    came = (cases["event_days"] <= 30).astype(float)
    base = came.groupby([cases["metric"], cases["level"]]).transform("mean")
    expected = 1 - ((cases["p_30d"] - came) ** 2).sum() / ((base - came) ** 2).sum()
    row = row_of(rows, OURS)
    assert row["brier_skill"] == pytest.approx(expected)
    assert row["skill_low"] < expected < row["skill_high"]
    assert row["brier"] == pytest.approx(((cases["p_30d"] - came) ** 2).mean())
    assert row["mean_probability"] == pytest.approx(cases["p_30d"].mean())


def test_flagging_everything_finds_everything_at_the_base_rate(rows: pd.DataFrame) -> None:
    row = row_of(rows, EVERYTHING)
    assert row["recall"] == row["our_recall"] == row["recall_ratio"] == 1.0
    assert row["precision"] == pytest.approx(row["base_rate"])


def test_true_probabilities_are_calibrated_and_beat_a_rule_that_guesses(rows: pd.DataFrame) -> None:
    row, line = row_of(rows, OURS), row_of(rows, "line 28 d")
    assert row["calibration_error"] < 2.5 * row["chance_floor"]
    assert line["our_recall"] > line["recall"]
    assert line["ratio_low"] > 1


def test_the_logistic_is_scored_on_what_it_spoke_of_alone(cases: pd.DataFrame) -> None:
    found = score(cases, SETTINGS).rows
    spoken = cases["origin"] >= cases["origin"].min() + pd.Timedelta(days=30)  # by then the first outcomes had come
    told = score(cases.assign(p_30d=cases["p_30d"].where(spoken)), SETTINGS).rows
    whole, part = (row_of(rows, LOGISTIC) for rows in (found, told))
    assert row_of(found, OURS)["cases"] > row_of(told, OURS)["cases"]
    assert whole["cases"] == part["cases"] == row_of(told, OURS)["cases"]
    assert whole["events"] == part["events"]
    assert np.isfinite(whole["brier_skill"])
    figures = ["base_rate", "recall", "our_recall", "recall_ratio", "ratio_low", "ratio_high"]
    np.testing.assert_allclose(*(row[figures].to_numpy(dtype=float) for row in (whole, part)))


def test_a_rule_that_finds_nothing_is_no_reason_to_drop_a_draw() -> None:
    drawn = np.array([np.inf] * 4 + [2.0] * 96)
    low, high = interval(drawn)
    assert low == 2.0
    assert np.isnan(high), "2.5 % of the draws say that the rule found nothing at all"
    assert interval(np.array([2.0] * 99 + [np.inf])) == (2.0, 2.0)
    assert np.isnan(interval(np.array([np.nan] * 6 + [1.0] * 4))).all()


def test_a_lone_level_stands_for_both(cases: pd.DataFrame) -> None:
    rows = score(cases[cases["level"] == "high"], SETTINGS, draws=3).rows
    rows = rows[(rows["scope"] == "fleet") & ~rows["rule"].str.startswith("tier ")]
    one, both = (rows[rows["level"] == level].drop(columns="level") for level in ("high", "both"))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), both.reset_index(drop=True))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_counts_of_every_scope_and_level_add_up(seed: int, servers: int) -> None:
    cases = table_of(np.random.default_rng(seed), servers, 3)
    rows = score(cases, SETTINGS, draws=3).rows
    counted = ["cases", "events", "warned"]
    for level, rule in (("both", OURS), ("high", NEAR), ("very_high", "line 28 d")):
        part = rows[(rows["level"] == level) & (rows["rule"] == rule)]
        sums = part.groupby("scope")[counted].sum()
        assert (sums == sums.loc["fleet"]).all().all()
    whole = rows[(rows["scope"] == "fleet") & (rows["rule"] == EVERYTHING)].set_index("level")[counted]
    assert (whole.loc["high"] + whole.loc["very_high"] == whole.loc["both"]).all()
    tiers = rows[(rows["scope"] == "fleet") & rows["rule"].str.startswith("tier ") & (rows["level"] == "high")]
    critical = cases[(cases["level"] == "very_high") & (cases["p_30d"] >= 0.5)]
    worse = pd.MultiIndex.from_frame(critical[[SERVER_ID, "origin"]])
    highs = cases[cases["level"] == "high"]
    taken = pd.MultiIndex.from_frame(highs[[SERVER_ID, "origin"]]).isin(worse).sum()
    assert tiers["warned"].sum() + taken == len(highs)


def test_reliability_counts_every_case_once(cases: pd.DataFrame) -> None:
    bins = score(cases, SETTINGS, draws=3).reliability
    assert list(bins.columns) == list(RELIABILITY_COLUMNS)
    fleet = bins[(bins["scope"] == "fleet") & (bins["level"] == "both")]
    assert fleet["cases"].sum() == len(cases)
    filled = fleet[fleet["cases"] > 0]
    assert filled["mean_probability"].between(filled["low"], filled["high"]).all()


def test_order_of_rows_changes_nothing(cases: pd.DataFrame, rows: pd.DataFrame) -> None:
    turned = cases.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(score(turned, SETTINGS).rows, rows)


def test_an_incomplete_outcome_is_not_scored(cases: pd.DataFrame) -> None:
    early = cases.assign(observed_days=np.where(np.arange(len(cases)) % 3 == 0, 20, 90))
    assert row_of(score(early, SETTINGS, draws=3).rows, OURS)["cases"] == (early["observed_days"] == 90).sum()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_history_too_short_for_any_outcome_is_counted_as_none_without_noise(cases: pd.DataFrame) -> None:
    rows = score(cases.assign(observed_days=20, event_days=np.nan), SETTINGS, draws=3).rows
    assert (rows[["cases", "events"]] == 0).all(axis=None)
    assert rows["base_rate"].isna().all()


def test_nothing_to_score_is_an_empty_table_of_the_same_types(rows: pd.DataFrame) -> None:
    none = score(no_warnings(SETTINGS, Cadence.DAILY, 90), SETTINGS)
    assert none.rows.empty
    assert none.reliability.empty
    assert list(none.rows.columns) == list(SCORECARD_COLUMNS)
    assert none.rows.dtypes.equals(rows.dtypes)


def test_a_history_too_short_for_any_outcome_is_no_noise_on_the_screen(cases: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = score(cases.assign(observed_days=10), SETTINGS, draws=3)
    assert not made.rows["cases"].any()


def test_one_case_without_event_has_counts_and_no_invented_figure(cases: pd.DataFrame) -> None:
    one = cases.head(1).assign(event_days=np.nan, p_30d=0.6)
    row = row_of(score(one, SETTINGS, draws=20).rows, OURS, level="high")
    assert (row["cases"], row["events"], row["warned"]) == (1, 0, 1)
    assert row["precision"] == 0.0
    unknown = ["recall", "recall_low", "brier_skill", "skill_low"]
    assert row[unknown].isna().all()


def test_probabilities_too_bold_are_off_the_diagonal(cases: pd.DataFrame, rows: pd.DataFrame) -> None:
    bold = score(table_of(np.random.default_rng(11), blur=0.7), SETTINGS, draws=50)
    row = row_of(bold.rows, OURS)
    assert row["calibration_error"] > 0.05 > row_of(rows, OURS)["calibration_error"]


def test_an_overconfident_model_is_shown_as_such(fleet) -> None:
    """Size of error understated threefold: as the world behaves today, the paths of the past are 0.3 of what comes."""
    levels = np.linspace(58, 79, 150)
    made = fleet(levels, origins=12, phi=0.9)
    rows = made.panel.timestamps.get_indexer(made.errors.origins)
    start = rows[0] + 1
    wild = made.panel.values.copy()
    wild[start:] = levels + (wild[start:] - levels) / 0.3
    errors = made.errors.errors.copy()
    for o, row in enumerate(rows):
        errors[o] = wild[row + 1 : row + 91] - levels
    bold = replace(made, panel=replace(made.panel, values=wild), errors=replace(made.errors, errors=errors))
    found = {}
    for name, each in (("honest", made), ("bold", bold)):
        cases = past_warnings(each.panel, each.errors, SETTINGS, latest=1)
        scored = score(cases[cases["level"] == "high"], SETTINGS, draws=20)
        row = scored.rows[(scored.rows["scope"] == "fleet") & (scored.rows["rule"] == OURS)]
        found[name] = row[row["horizon_days"] == 90].iloc[0]
        bins = scored.reliability
        found[name + " lowest"] = bins[(bins["scope"] == "fleet") & (bins["horizon_days"] == 90)].iloc[0]
    assert found["bold"]["calibration_error"] > 0.25 > 0.12 > found["honest"]["calibration_error"]
    assert found["bold"]["mean_probability"] < 0.6 * found["bold"]["base_rate"]
    assert found["bold lowest"]["rate"] > 0.3  # "hardly ever", and it came
    assert found["honest lowest"]["rate"] < 0.1


def test_counts_are_one_servers_not_one_series(cases: pd.DataFrame, rows: pd.DataFrame) -> None:
    row = row_of(rows, OURS)
    assert row["servers"] == cases[SERVER_ID].nunique()
    assert row["series"] == cases[[SERVER_ID, "metric"]].drop_duplicates().shape[0]
    assert row["origins"] == cases["origin"].nunique()
