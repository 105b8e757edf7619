"""Past warnings counted by date: the scorecard's own figures, taken apart, and the last quarter of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from test_scorecard import SETTINGS, row_of, table_of

from capforecast.risk.scorecard import OURS, score
from capforecast.risk.warnings_by_origin import ORIGIN_COLUMNS, by_origin, last_quarter, summed

CASES = table_of(np.random.default_rng(5))


def test_dates_add_up_to_the_scorecard() -> None:
    counts = by_origin(CASES, SETTINGS)
    ours = row_of(score(CASES, SETTINGS).rows, OURS)
    assert counts[["cases", "events", "warned"]].sum().tolist() == [ours["cases"], ours["events"], ours["warned"]]
    assert counts["came_true"].sum() == round(ours["warned"] * ours["precision"])
    assert len(counts) == ours["origins"]
    halves = [by_origin(part, SETTINGS) for _, part in CASES.groupby("business_unit")]
    pd.testing.assert_frame_equal(summed(halves), counts)


def test_only_what_was_stated_and_is_over_counts() -> None:
    open_still = CASES.assign(observed_days=np.where(CASES["origin"] == CASES["origin"].max(), 29, 90))
    silent = open_still.assign(p_30d=CASES["p_30d"].where(CASES["origin"] > CASES["origin"].min()))
    assert by_origin(silent, SETTINGS)["origin"].nunique() == CASES["origin"].nunique() - 2


def test_the_last_quarter_ends_with_the_last_date_that_can_be_judged() -> None:
    recent = last_quarter(by_origin(CASES, SETTINGS), 30)
    dates = np.sort(CASES["origin"].unique())[-4:]  # 30 days apart: four within 92 days
    assert recent["origin"].tolist() == list(dates)
    assert not len(last_quarter(by_origin(CASES, SETTINGS), 90))


def test_without_cases_there_is_nothing() -> None:
    empty = by_origin(CASES.head(0), SETTINGS)
    assert (list(empty.columns), len(empty), len(summed([]))) == (list(ORIGIN_COLUMNS), 0, 0)
