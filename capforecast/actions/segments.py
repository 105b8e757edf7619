"""Servers grouped by how they are used: k-means on scaled features, k by silhouette, each group named in words.

k-means: Lloyd 1982, with the starts of Arthur & Vassilvitskii 2007; silhouette: Rousseeuw 1987 (scikit-learn).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.segment_coordinates import Coordinates, Scale, coordinates, described
from capforecast.actions.segment_names import ACTIONS, base_name, told_apart
from capforecast.forecast.threads import one_thread
from capforecast.schema import BUSINESS_UNIT, SERVER_ID
from capforecast.settings import SegmentsSettings, Settings

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

UNKNOWN = -1  # label of a server that cannot be described
SEGMENT_COLUMNS = (SERVER_ID, BUSINESS_UNIT, "segment", "name", "distance", "reason")
SIZE_COLUMNS = ("segment", "name", "servers", "silhouette", "action")  # followed by the features of the centroid
TRIED_COLUMNS = ("k", "silhouette", "smallest", "taken")
NOTHING_SEEN = "no_forecastable_series"  # reason of a server without a segment
_FROM_EACH = 50  # servers of a segment that its silhouette is told from where the sample has none


@dataclass(frozen=True)
class Segments:
    """A grouping of S servers into K segments, numbered from the least to the most used.

    labels: [S], in the order of the features' rows; UNKNOWN where nothing is known.  distances: [S], to the centroid in
    scaled features, NaN where unknown.  names, bases: [K], unique in words, and the kind of segment (keys of ACTIONS).
    sizes: [K] servers.  centroids: [K rows] median of each feature over the members, in its unit; NaN where no member
    has it.  silhouettes: [K], and silhouette over all, -1 to 1; NaN where there is only one segment.
    k_tried: TRIED_COLUMNS, a row for each k.  note: how k came about, in words.  scales: [D], of the features; middles:
    [K, D], centroids in scaled features.
    """

    labels: Labels
    distances: Floats
    names: tuple[str, ...]
    bases: tuple[str, ...]
    sizes: Labels
    centroids: pd.DataFrame
    silhouettes: Floats
    silhouette: float
    k_tried: pd.DataFrame
    note: str
    scales: tuple[Scale, ...]
    middles: Floats

    def assigned(self, features: pd.DataFrame) -> pd.Series:
        """Name of the segment whose centroid is nearest to each server, by server_id: of servers as they were at
        another time, say. "unknown" where nothing is known of one.
        """
        rows = described(features)
        numbers = features.select_dtypes("number").iloc[rows]
        names = np.full(len(features), "unknown", dtype=object)
        if len(self.names) and len(rows):
            points = [scale.of(numbers) for scale in self.scales]
            apart = sum(
                ((point[:, None] - self.middles[None, :, d]) ** 2 for d, point in enumerate(points)),
                np.zeros((len(rows), len(self.names))),
            )
            names[rows] = np.array(self.names, dtype=object)[np.argmin(apart, axis=1)]
        return pd.Series(names, index=features[SERVER_ID].astype("str").to_numpy(), name="name")

    def table(self, features: pd.DataFrame) -> pd.DataFrame:
        """SEGMENT_COLUMNS, one row per server; name "unknown" and a reason where there is no segment."""
        known = self.labels != UNKNOWN
        names = np.array([*self.names, "unknown"], dtype=object)[self.labels]
        reasons = np.where(known, "", NOTHING_SEEN)
        frame = features[[SERVER_ID, BUSINESS_UNIT]].reset_index(drop=True)
        return frame.assign(segment=self.labels, name=names, distance=self.distances, reason=reasons).astype(
            {"name": "str", "reason": "str"}
        )

    def size_table(self) -> pd.DataFrame:
        """SIZE_COLUMNS and the centroid, one row per segment, then one of the servers without, so that all add up."""
        frame = pd.DataFrame({"segment": np.arange(len(self.names)), "name": self.names, "servers": self.sizes})
        frame["silhouette"], frame["action"] = self.silhouettes, [ACTIONS[base] for base in self.bases]
        frame = pd.concat([frame, self.centroids], axis=1)
        left_out = int((self.labels == UNKNOWN).sum())
        if left_out:
            row = {"segment": [UNKNOWN], "name": ["unknown"], "servers": [left_out], "action": [ACTIONS["unknown"]]}
            frame = pd.concat([frame, pd.DataFrame(row)], ignore_index=True) if len(frame) else pd.DataFrame(row)
            frame = frame.reindex(columns=[*SIZE_COLUMNS, *self.centroids])
        return frame.astype({"segment": "int64", "name": "str", "servers": "int64", "action": "str"})


def segment(features: pd.DataFrame, settings: Settings) -> Segments:
    """Group servers by `features` (rows of server_features, of one or several business units).

    The order of the rows changes nothing. A server without any feature gets none; fewer than
    segments.least_servers, or servers that are all alike, are one segment, and `note` says so.
    """
    order = np.argsort(features[SERVER_ID].to_numpy(dtype=str), kind="stable")
    found = coordinates(features.iloc[order].reset_index(drop=True), settings)
    points, k_tried, note = found.points, pd.DataFrame(columns=list(TRIED_COLUMNS)), ""
    with one_thread():  # sums in one order
        distinct = len(np.unique(points, axis=0)) if points.shape[1] else min(len(points), 1)
        note = _why_not(len(points), distinct, settings.segments)
        if note:
            labels = np.zeros(len(points), dtype=np.int64)
        else:
            labels, k_tried, note = _grouped(points, distinct, settings.segments)
        labels = _from_least_to_most(labels, found)
        silhouettes, silhouette = _silhouettes(points, labels, settings.segments)
    return _told(features, order, found, labels, (silhouettes, silhouette), (k_tried, note), settings)


def _why_not(count: int, distinct: int, settings: SegmentsSettings) -> str:
    """Why there is no more than one segment; empty = there may be."""
    if count == 0:
        return "no server has a series that can be described: no segments"
    if count < settings.least_servers:
        least = settings.least_servers
        return f"one segment: {count} servers can be described, fewer than segments.least_servers ({least})"
    if distinct == 1:
        return f"one segment: the {count} servers are alike in all that is known of them"
    if settings.k == 1:
        return "one segment, as set (segments.k)"
    return ""


def _grouped(points: Floats, distinct: int, settings: SegmentsSettings) -> tuple[Labels, pd.DataFrame, str]:
    """Labels [S], what was tried, and how k was chosen."""
    from sklearn.cluster import KMeans  # slow to import
    from sklearn.metrics import silhouette_score

    sample = _sample(len(points), settings)
    some = points[sample]
    most = min(distinct, len(np.unique(some, axis=0)), len(some) - 1)
    wanted = range(settings.k_min, settings.k_max + 1) if settings.k is None else [settings.k]
    rows, centres = [], {}
    for k in sorted({min(k, most) for k in wanted}):
        made = KMeans(k, n_init=settings.starts, random_state=settings.seed).fit(some)
        smallest = int(np.bincount(made.labels_, minlength=k).min())
        score = float(silhouette_score(some, made.labels_)) if 1 < k < len(some) else 0.0
        rows.append((k, score, smallest, False))
        centres[k] = made.cluster_centers_
    tried = pd.DataFrame(rows, columns=list(TRIED_COLUMNS))
    even = tried[tried["smallest"] >= max(settings.least_share * len(some), 1)]
    chosen = (even if len(even) else tried).sort_values(["silhouette", "k"], ascending=[False, True]).iloc[0]
    k = int(chosen["k"])
    tried["taken"] = tried["k"] == k
    note = f"{k} segments by silhouette ({chosen['silhouette']:.2f})"
    if settings.k is not None:
        note = f"{k} segments, as set (segments.k), silhouette {chosen['silhouette']:.2f}"
    if len(sample) < len(points):
        note += f", chosen on {len(sample)} of {len(points)} servers"
    labels = KMeans(k, init=centres[k], n_init=1, random_state=settings.seed).fit(points).labels_
    return labels.astype(np.int64), tried, note


def _sample(count: int, settings: SegmentsSettings) -> Labels:
    if count <= settings.sample:
        return np.arange(count)
    return np.sort(np.random.default_rng(settings.seed).choice(count, settings.sample, replace=False))


def _from_least_to_most(labels: Labels, found: Coordinates) -> Labels:
    """Labels renumbered by the mean use of the members; segments nobody is in go."""
    old = np.unique(labels)
    use = [(found.use[labels == label].mean(), int(np.flatnonzero(labels == label)[0])) for label in old]
    rank = {int(old[place]): new for new, place in enumerate(sorted(range(len(old)), key=lambda at: use[at]))}
    return np.array([rank[int(label)] for label in labels], dtype=np.int64)


def _silhouettes(points: Floats, labels: Labels, settings: SegmentsSettings) -> tuple[Floats, float]:
    """Mean silhouette of each segment, and over all, of a sample where there are many servers."""
    from sklearn.metrics import silhouette_samples

    count = int(labels.max()) + 1 if len(labels) else 0
    if count < 2 or count >= len(labels):
        return np.full(count, np.nan), np.nan
    sample = _sample(len(points), settings)
    lost = np.setdiff1d(np.arange(count), labels[sample])
    more = [np.flatnonzero(labels == label)[:_FROM_EACH] for label in lost]
    sample = np.sort(np.concatenate([sample, *more]))
    each = silhouette_samples(points[sample], labels[sample])
    return np.array([each[labels[sample] == label].mean() for label in range(count)]), float(each.mean())


def _told(
    features: pd.DataFrame,
    order: Labels,
    found: Coordinates,
    labels: Labels,
    silhouettes: tuple[Floats, float],
    choice: tuple[pd.DataFrame, str],
    settings: Settings,
) -> Segments:
    """The grouping in the order of the features' rows, with names and centroids."""
    count = len(silhouettes[0])
    place = order[found.rows]
    everyone, distances = np.full(len(features), UNKNOWN, dtype=np.int64), np.full(len(features), np.nan)
    everyone[place] = labels
    middles = np.array([found.points[labels == label].mean(axis=0) for label in range(count)])
    middles = middles.reshape(count, found.points.shape[1])
    distances[place] = np.sqrt(((found.points - middles[labels]) ** 2).sum(axis=1))
    numbers = features.select_dtypes("number")
    centroids = numbers[everyone != UNKNOWN].groupby(everyone[everyone != UNKNOWN]).median().reset_index(drop=True)
    bases = tuple(base_name(centroid, settings) for _, centroid in centroids.iterrows())
    names = told_apart(bases, middles, found.names)
    sizes = np.bincount(labels, minlength=count)
    return Segments(
        everyone, distances, names, bases, sizes, centroids, *silhouettes, *choice, scales=found.scales, middles=middles
    )  # fmt: skip
