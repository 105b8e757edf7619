"""Champion against challenger: which of two models forecasts, from what their own backtests say. Pure; no lake.

The two backtests cover different weeks, so errors are compared in units of the naive error of the same weeks
(relative MAE), series by series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from capforecast.schema import METRIC, SERVER_ID, Cadence, Reference
from capforecast.settings import ModelsSettings

Outcome = Literal[
    "first", "promoted", "refreshed", "kept", "pinned", "backfill", "replaced", "fell_back", "champion"
]  # fmt: skip
CODE = "code"  # part of a recipe
ALL = "all"  # bucket of the whole horizon
_LEAST, _MOST = 0.01, 100.0  # a relative error beyond these says no more than they


@dataclass(frozen=True)
class Contender:
    """A model as promotion sees it.

    recipe: part -> what it was (kind, settings, code): alike in all parts, it is the same recipe on other data.
    errors: server_id, metric, bucket, relative_mae of its backtest, NaN where nothing could be scored; its rows name
    every series the model knows.
    """

    manifest: Reference
    version: str
    as_of: pd.Timestamp
    horizon: int
    recipe: dict[str, str]
    errors: pd.DataFrame

    def knows(self, series: pd.DataFrame) -> float:
        """Share of the series (server_id, metric) that the model has seen; 1 where there are none."""
        if not len(series):
            return 1.0
        keys, known = (pd.MultiIndex.from_frame(part[[SERVER_ID, METRIC]]) for part in (series, self.errors))
        return float(keys.isin(known).mean())


@dataclass(frozen=True)
class Decision:
    """Which model forecasts, and why.

    use: its manifest.  promoted: it became champion by this.  action: the rule that decided.  reason: in words.
    ratio: challenger's error by the champion's over the `series_compared` series both were scored on; None = not
    compared.
    """

    use: Reference
    promoted: bool
    action: Outcome
    reason: str
    ratio: float | None = None
    series_compared: int = 0


def decide(
    champion: Contender | None,
    challenger: Contender,
    *,
    problem: str | None,
    pinned: bool,
    settings: ModelsSettings,
    cadence: Cadence,
    horizon: int,
    known_share: float,
) -> Decision:
    """Which of the two forecasts from now on; the first rule that applies decides.

    champion: None where there is none, or where `problem` keeps it from being read.  problem: why the champion cannot
    be used, None = it can.  pinned: somebody fixed the champion.  horizon: periods to forecast.  known_share: share of
    the series to forecast that the champion knows, 0..1.
    """
    if champion is None and problem is None:
        return Decision(challenger.manifest, True, "first", "the first model of this business unit")
    if champion is None or problem is not None:
        problem = problem or "it cannot be read"
        if pinned:
            why = f"the pinned champion cannot be used ({problem}): the new model forecasts, and nothing was promoted"
            return Decision(challenger.manifest, False, "fell_back", why)
        return Decision(challenger.manifest, True, "replaced", f"the champion cannot be used: {problem}")
    if pinned:
        return Decision(champion.manifest, False, "pinned", f"{champion.version} is pinned: no other is promoted")
    why = outdated(champion, challenger.as_of, settings, cadence, horizon, known_share)
    if why:
        return Decision(challenger.manifest, True, "replaced", why)
    if challenger.horizon < champion.horizon:  # a trial run is not to take a lake over that is forecast farther
        why = f"{challenger.version} {too_short(challenger, cadence, champion.horizon)} as the champion does"
        return Decision(champion.manifest, False, "kept", why)
    return _better(champion, challenger, settings, knows_all=known_share >= 1.0)


def outdated(
    champion: Contender,
    as_of: pd.Timestamp,
    settings: ModelsSettings,
    cadence: Cadence,
    horizon: int,
    known_share: float,
) -> str:
    """Why a champion that works gives way at `as_of` whatever its errors; "" = it need not."""
    if champion.horizon < horizon:
        return f"the champion {champion.version} {too_short(champion, cadence, horizon)}"
    age = (as_of - champion.as_of) / pd.Timedelta(days=1)
    if age > settings.max_age_days:
        return f"the champion {champion.version} is {age:.0f} days old, more than {settings.max_age_days}"
    if known_share < settings.least_known_share:
        return (
            f"the champion {champion.version} knows {known_share:.1%} of the series to forecast, "
            f"less than {settings.least_known_share:.0%}"
        )
    return ""


def too_short(champion: Contender, cadence: Cadence, horizon: int) -> str:
    """That a model does not look as far ahead as is asked."""
    return f"looks {cadence.label(champion.horizon)} ahead, not {cadence.label(horizon)}"


def _better(champion: Contender, challenger: Contender, settings: ModelsSettings, knows_all: bool) -> Decision:
    """Decide by the errors: a refresh must not be much worse, another recipe must be better.

    Other code alone is no other recipe: the old one cannot train any more, so it is a refresh by what is installed.

    knows_all: the champion knows all series to forecast. Where it does not, keeping it leaves some without a forecast,
    so that another recipe need only be as good.
    """
    ratio, count, chance = error_ratio(champion, challenger)
    other = [name for name, value in challenger.recipe.items() if champion.recipe.get(name) != value]
    changed = [name for name in other if name != CODE]
    made = f"made with other {' and '.join(other)}" if changed else "made as the champion was, on newer data"
    made += " by another version of the engine" if other == [CODE] else ""
    margin = settings.promote_margin if knows_all else 0.0
    limit = 1 - margin if changed else (1 + settings.refresh_tolerance) * math.exp(2 * chance)
    if ratio is None:
        promoted, measured = not changed, "no series of both could be scored"
    else:
        promoted = ratio <= limit
        measured = (
            f"its relative error is {ratio:.3f} times the champion's over {count} series, "
            f"{'at most' if promoted else 'not at most'} {limit:.2f}"
        )
    use = challenger if promoted else champion
    action: Outcome = "kept" if not promoted else "promoted" if changed else "refreshed"
    return Decision(use.manifest, promoted, action, f"{challenger.version}, {made}: {measured}", ratio, count)


def error_ratio(champion: Contender, challenger: Contender) -> tuple[float | None, int, float]:
    """Geometric mean of the challenger's relative MAE by the champion's, over how many series, None of none; and the
    standard error of its logarithm: few series tell the two apart by chance.

    Over the whole horizon; where the horizons differ, over the parts of them that both were scored on.
    """
    keys = [SERVER_ID, METRIC, "bucket"]
    mine, theirs = (side.errors.dropna(subset=["relative_mae"]) for side in (challenger, champion))
    whole = champion.horizon == challenger.horizon
    mine, theirs = (side[(side["bucket"] == ALL) == whole] for side in (mine, theirs))
    both = mine.merge(theirs, on=keys, suffixes=("", "_champion"))
    if both.empty:
        return None, 0, 0.0
    logs = [np.log(both[name].clip(_LEAST, _MOST)) for name in ("relative_mae", "relative_mae_champion")]
    by_series = (logs[0] - logs[1]).groupby([both[SERVER_ID], both[METRIC]]).mean()
    count = len(by_series)
    chance = float(by_series.std()) / math.sqrt(count) if count > 1 else 0.0
    return math.exp(math.fsum(by_series) / count), count, chance
