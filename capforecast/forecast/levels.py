"""A second opinion on daily levels: one model of trees over all series of a business unit, blended with the vote.

The vote chooses among methods that each look at one series; the trees learn from all of them what usually follows where
a series stands (gradient boosting with the absolute error, Friedman 2001, as a global model in the sense of
Montero-Manso & Hyndman 2021). They err differently, so a share of their opinion helps (Bates & Granger 1969), a larger
one where more series taught them. A group does without where trees taught on older data plainly worsened its forecasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from capforecast.forecast.base import Array, Index, Mask
from capforecast.forecast.ensemble import mean0
from capforecast.forecast.level_rows import LEAST, Weeks, rows, wanted, weeks_of
from capforecast.forecast.replay import Data, Replay
from capforecast.forecast.sampling import spokesmen
from capforecast.forecast.tree_nodes import Nodes, boosted_nodes, no_trees
from capforecast.forecast.vote import candidate_errors
from capforecast.schema import Cadence

_SHARE = 0.4  # of the trees' opinion in a large group
_HALF = 6.0  # series of a group that get half of it
_DOUBT = 2.0  # standard errors of a plain loss
_LUCK = 0.05  # standard deviation of one series' gain at one origin, at least
_APART = 4  # weeks between moments that teach
_MOMENTS = 48  # at most
_FEWEST = 4  # moments to learn from
_KNOTS = 12  # weeks of the horizon forecast; in between levels are interpolated
_ROWS = 24_000  # taught on, at most
_FEATURES = 18
_TESTED = 10  # newest origins that judge trees taught before them
_PUPILS = 64  # series of each group taught on, and judged by
_FURTHEST = 0.5  # the trees' level in logarithms from the vote's, at most
_MEMORY = 2 * 52 + 8  # weeks looked back


@dataclass(frozen=True)
class Levels:
    """Trees that foretell levels, and the share of their opinion in each series' forecast, [N]; 0 = none."""

    nodes: Nodes
    share: Array

    @staticmethod
    def none(width: int) -> Levels:
        """No opinion."""
        return Levels(no_trees(_FEATURES), np.zeros(width))

    def blend(self, point: Array, mean: Array, values: Array, which: Index) -> tuple[Array, Array]:
        """The vote's median and mean [H, n] of series `which` of the model, with histories [T, n], blended."""
        share = self.share[which]
        heard = np.flatnonzero((share > 0) & _speaks(values))
        if not len(heard):
            return point, mean
        weeks = weeks_of(values[:, heard], _MEMORY)
        moved = share[heard] * _moves(self.nodes, weeks, point[:, heard])
        out = point.copy(), mean.copy()
        for part in out:
            part[:, heard] = _moved(part[:, heard], moved, weeks.offset)
        return out


def _speaks(values: Array) -> Mask:
    """Series [N] of histories [T, N] without negative values: levels are logarithms."""
    return np.asarray(~(values < 0).any(axis=0))


def _moved(point: Array, moves: Array, offset: Array) -> Array:
    return np.asarray((np.maximum(point, 0.0) + offset) * np.exp(moves) - offset)


def _knots(horizon: int) -> Index:
    """Weeks ahead that are forecast, 1 = the next."""
    last = horizon // 7
    return np.unique(np.linspace(1, last, min(last, _KNOTS)).round().astype(np.int64)) if last else np.empty(0, int)


def _moves(nodes: Nodes, weeks: Weeks, point: Array) -> Array:
    """By how much the trees' level lies above the vote's at each step, in logarithms, [H, n]; 0 for young series."""
    horizon, width = point.shape
    ahead = _knots(horizon)
    seen = rows(weeks, ahead, horizon // 7)
    said = nodes.predict(seen.reshape(-1, seen.shape[2])).reshape(len(ahead), width) + weeks.now
    logs = np.log(np.maximum(point, 0.0) + weeks.offset)
    voted = np.stack([np.sort(logs[7 * week - 7 : 7 * week], axis=0)[3] for week in ahead])
    apart = np.clip(said - voted, -_FURTHEST, _FURTHEST)
    return _between(np.where(weeks.old_enough, apart, 0.0), 7 * ahead - 4, horizon)


def _between(known: Array, steps: Index, horizon: int) -> Array:
    """All steps [H, n] by straight lines between those that are known, [K, n] at `steps`, level before and after."""
    right = np.clip(np.searchsorted(steps, np.arange(horizon)), 1, len(steps) - 1)
    left = right - 1
    way = np.clip((np.arange(horizon) - steps[left]) / (steps[right] - steps[left]), 0.0, 1.0)
    return np.asarray(known[left] + way[:, None] * (known[right] - known[left]))


def learn_levels(data: Data, replays: Sequence[Replay], horizon: int) -> Levels:
    """Trees taught on a sample of all series, and how far each group should follow them.

    None where the history is too short to teach a model before the past origins and to judge it at them.
    """
    none = Levels.none(len(data.birth))
    past = max(replays, key=lambda one: len(one.members) if one.plan else -1, default=None)
    if data.panel.cadence is not Cadence.DAILY or past is None or past.plan is None or past.plan.horizon != horizon:
        return none
    tested = [o for o in range(min(len(past.origins), _TESTED)) if _moments(past.origins[o], horizon)]
    if horizon < 14 or len(tested) <= past.plan.gap:
        return none
    places = spokesmen(data.group[past.members], _PUPILS)
    members = past.members[places]
    values = data.values(members)
    able = _speaks(values)
    if not able.any():
        return none
    places, members, values = places[able], members[able], values[:, able]
    before = _teach(values[: past.origins[tested[-1]]], horizon)
    group = data.group[members]
    wanted_share = fair_shares(group, data.groups)
    gain = np.stack([_gain(before, values, past, o, places, wanted_share[group]) for o in tested])
    follow = np.where(lost(gain, group, data.groups, past.plan.gap), 0.0, wanted_share)
    return Levels(_teach(values, horizon), follow[data.group]) if follow.any() else none


def fair_shares(group: Index, groups: int) -> Array:
    """Share of the trees' opinion for each group, [groups], by how many series taught them; 0 for none."""
    count = np.bincount(group, minlength=groups)
    return np.asarray(_SHARE * count / (count + _HALF))


def lost(gain: Array, group: Index, groups: int, gap: int) -> Mask:
    """Groups that the trees' opinion made plainly worse, bool [groups], from gains in log error [O, n] at past origins.

    gap: origins nearer than this overlap, and count as one.
    """
    out = np.zeros(groups, dtype=bool)
    for which in np.unique(group):
        members = group == which
        each = mean0(gain[:, members].T)
        each = each[np.isfinite(each)]
        if len(each):
            error = np.sqrt((each.var() + _LUCK**2 / members.sum()) / max(len(each) / gap, 1.0))
            out[which] = each.mean() < -_DOUBT * error
    return out


def _gain(nodes: Nodes, values: Array, past: Replay, o: int, places: Index, share: Array) -> Array:
    """By how much the logarithm of the vote's error at an origin falls with the trees' opinion, [n]."""
    origin, point = past.origins[o], past.forecasts[o][:, places].astype(np.float64)
    weeks = weeks_of(values[:origin], _MEMORY)
    made = np.stack([point, _moved(point, share * _moves(nodes, weeks, point), weeks.offset)])
    errors, _ = candidate_errors(made[None], values[None, origin : origin + len(point)])
    alone, blended = errors[0]
    least = 0.01 * alone + 1e-12 * (1.0 + weeks.offset)
    return np.asarray(np.log((alone + least) / (blended + least)))


def _moments(seen: int, horizon: int) -> range:
    """Moments that teach, in weeks before the end of a history of `seen` days; empty where they are too few."""
    first, last = horizon // 7, seen // 7 - LEAST
    moments = range(first, last + 1, max(_APART, -(-(last - first) // _MOMENTS)))
    return moments if len(moments) >= _FEWEST else range(0)


def _teach(values: Array, horizon: int) -> Nodes:
    """Trees that know the histories [T, N] and nothing else."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    weeks, ahead = weeks_of(values), _knots(horizon)
    seen, aims = [], []
    for at in _moments(len(values), horizon):
        then = weeks.before(at)
        known, aim = rows(then, ahead, horizon // 7), wanted(weeks, at, ahead)
        good = np.isfinite(aim) & then.old_enough
        seen.append(known[good])
        aims.append(aim[good])
    known, aim = np.concatenate(seen), np.concatenate(aims)
    if len(aim) < 200:
        return no_trees(_FEATURES)
    if len(aim) > _ROWS:
        kept = np.sort(np.random.default_rng(0).choice(len(aim), _ROWS, replace=False))
        known, aim = known[kept], aim[kept]
    known[:, np.isnan(known).all(axis=0)] = 0.0  # scikit-learn bins no column without a value
    with threadpool_limits(limits=1):  # the sums' order, and others' cores
        model = HistGradientBoostingRegressor(
            loss="absolute_error", learning_rate=0.06, max_iter=80, max_leaf_nodes=8, min_samples_leaf=30,
            early_stopping=False, random_state=0,
        )  # fmt: skip
        return boosted_nodes(model.fit(known, np.round(aim, 5)))
