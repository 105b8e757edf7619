"""Which candidates carry a forecast: evidence that goes with every fleet model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array, Index
from capforecast.schema import CHOICE_COLUMNS, METRIC, SERVER_ID

TOP = 5  # candidates kept of each series


@dataclass(frozen=True)
class Leaders:
    """The candidates with most weight, heaviest first.

    number: [TOP, N], -1 where a series has fewer.  weight: [TOP, N], shares of the vote.  score: [TOP, N], expected
    logarithm of the candidate's error over the median candidate's.
    """

    number: Index
    weight: Array
    score: Array

    @staticmethod
    def empty(count: int) -> Leaders:
        """Room for so many series."""
        return Leaders(np.full((TOP, count), -1), np.zeros((TOP, count)), np.full((TOP, count), np.nan))

    def put(self, columns: Index, vote: Array, score: Array) -> None:
        """Take in the votes and scores [K, n] of some series."""
        first = np.argsort(-vote, axis=0, kind="stable")[:TOP]
        weight = np.take_along_axis(vote, first, axis=0)
        rows = slice(0, len(first))
        self.number[rows, columns] = np.where(weight > 0, first, -1)
        self.weight[rows, columns] = weight
        self.score[rows, columns] = np.take_along_axis(score, first, axis=0)

    def table(self, series: pd.DataFrame, candidates: tuple[str, ...]) -> pd.DataFrame:
        """CHOICE_COLUMNS rows, series by series, heaviest first."""
        number = self.number.T.reshape(-1)
        kept = number >= 0
        rows = series[[SERVER_ID, METRIC]].loc[series.index.repeat(TOP)].reset_index(drop=True)[kept]
        names = np.array(candidates, dtype=object)
        rows = rows.assign(
            candidate=pd.array(names[number[kept]], dtype="str"),
            weight=self.weight.T.reshape(-1)[kept],
            expected_error=np.exp(self.score.T.reshape(-1)[kept]),
        )
        return rows[list(CHOICE_COLUMNS)].reset_index(drop=True)
