"""Choice among candidates: log-relative rolling-origin scores, their mean in a group, softmax weights."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array, Index, Mask

_NEGLIGIBLE = 1e-4  # of the largest weight: candidates below it do not vote
_SPREAD = 0.2  # spread of scores below which differences count for more
_SHARPEST = 4.0
_UNSCORED = 0.9  # scores from here up belong to candidates that no origin could test (they get 1)


def nanmedian0(values: Array) -> Array:
    """Median over the first axis of the finite values; NaN where there is none."""
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)  # NaN last
    count = np.isfinite(ordered).sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, np.maximum(count - 1, 0))[..., None], axis=-1)[..., 0]
    return np.asarray(np.where(count > 0, 0.5 * (low + high), np.nan))


def log_relative(errors: Array) -> Array:
    """ln of each candidate's error over the median candidate's, [O, K, N]; NaN where a candidate has no error.

    One hundredth of the median is added, so that a lucky zero does not win for ever.
    """
    middle = nanmedian0(np.swapaxes(errors, 0, 1))[:, None]
    tiny = 1e-12
    return np.asarray(np.log((errors + 0.01 * middle + tiny) / (middle + tiny)))


def pooled(scores: Array, group: Index, prior: float = 4.0) -> Array:
    """Mean over the series of a group of the per-series mean scores, [K, N], from log-relative scores [O, K, N].

    A small group leans on the whole panel, which counts as `prior` series. A candidate nobody could use gets 1.
    """
    own = mean0(scores)
    everyone = mean0(own.T)
    everyone = np.where(np.isfinite(everyone), everyone, 1.0)
    out = np.empty_like(own)
    for which in np.unique(group):
        members = group == which
        part = own[:, members]
        known = np.isfinite(part)
        total = np.where(known, part, 0.0).sum(axis=1) + prior * everyone
        out[:, members] = (total / (known.sum(axis=1) + prior))[:, None]
    return out


def mean0(values: Array) -> Array:
    """Mean over the first axis of the finite values; NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def weights(score: Array, usable: Mask, temperature: float | Array) -> Array:
    """Softmax weights [K, N] of candidates that exist; each column with one usable candidate or more sums to 1.

    temperature: one, or one of each series, [N].

    Where noise rules, all candidates' errors are alike and mostly the same noise, so small differences mean more: a
    spread of scores (median less the best tenth) below 0.2 raises the temperature in proportion, at most fourfold.
    """
    held = np.where(usable, score, np.inf)
    best = held.min(axis=0)
    sharp = temperature * np.clip(_SPREAD / np.maximum(_spread(held), 1e-9), 1.0, _SHARPEST)
    raw = np.where(usable, np.exp(-sharp * (held - np.where(np.isfinite(best), best, 0.0))), 0.0)
    raw[raw < _NEGLIGIBLE * raw.max(axis=0)] = 0.0
    total = raw.sum(axis=0)
    return np.asarray(np.divide(raw, total, out=np.zeros_like(raw), where=total > 0))


def _spread(score: Array) -> Array:
    """Median less 10 % quantile of the scores of candidates that somebody could score, [N]."""
    ordered = np.sort(np.where(score < _UNSCORED, score, np.inf), axis=0)
    count = np.isfinite(ordered).sum(axis=0)
    last = np.maximum(count - 1, 0)
    middle, low = ((last * share).astype(int)[None] for share in (0.5, 0.1))
    picked = [np.take_along_axis(ordered, rank, axis=0)[0] for rank in (middle, low)]
    return np.where(count > 1, picked[0] - np.where(count > 1, picked[1], 0.0), _SPREAD)
