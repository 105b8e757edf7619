"""The candidates that carry a forecast are said, with what they weigh."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.forecast.choice import TOP, Leaders
from capforecast.forecast.engine import train
from capforecast.schema import CHOICE_COLUMNS
from capforecast.settings import Settings


def test_leaders_come_heaviest_first_and_without_idle_ones():
    leaders = Leaders.empty(2)
    leaders.put(np.array([1]), np.array([[0.1], [0.7], [0.2], [0.0]]), np.array([[0.0], [-0.5], [0.1], [9.0]]))
    leaders.put(np.array([0]), np.array([[1.0], [0.0], [0.0], [0.0]]), np.zeros((4, 1)))
    series = pd.DataFrame({"server_id": ["a", "b"], "metric": "cpu"})
    table = leaders.table(series, ("f/w", "f/x", "f/y", "f/z"))
    assert table["server_id"].tolist() == ["a", "b", "b", "b"]
    assert table["candidate"].tolist() == ["f/w", "f/x", "f/y", "f/w"]
    np.testing.assert_allclose(table["weight"], [1.0, 0.7, 0.2, 0.1])
    np.testing.assert_allclose(table["expected_error"], [1.0, np.exp(-0.5), np.exp(0.1), 1.0])


def test_training_says_what_it_chose(make_panel):
    t = np.arange(500)[:, None]
    values = 20 + 0.06 * t + np.random.default_rng(0).normal(0, 0.5, (500, 3))
    panel = make_panel(values)
    choice = train(panel, 60, Settings(forecast={"origins_daily": 4})).choice
    assert choice is not None
    assert list(choice.columns) == list(CHOICE_COLUMNS)
    assert (choice.groupby("server_id").size() == TOP).all()
    assert (choice.groupby("server_id")["weight"].sum() <= 1.0).all()
    first = choice.groupby("server_id").first()
    assert (first["expected_error"] < 0.7).all()  # on a line, those that follow it
