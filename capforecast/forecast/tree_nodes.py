"""Trees as plain arrays: taken out of scikit-learn's models, kept as a table, walked without scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast.base import Array, Mask
from capforecast.forecast.tree_rows import Rows

Nodes32 = npt.NDArray[np.int32]

_KINDS = {
    "tree": pa.int32(), "feature": pa.int32(), "threshold": pa.float64(), "left": pa.int32(), "right": pa.int32(),
    "missing_left": pa.bool_(), "value": pa.float64(),
}  # fmt: skip
NODE_COLUMNS = tuple(_KINDS)


@dataclass(frozen=True)
class Nodes:
    """All nodes of all trees, the trees one after the other, each root first. M nodes.

    tree: number of the tree.  feature, threshold: a value at or below it goes left, NaN left where `missing_left`.
    left, right: places among all nodes; -1 in a leaf.  value: what a leaf adds.  start: what is added to.
    features: columns a row must have.
    """

    tree: Nodes32
    feature: Nodes32
    threshold: Array
    left: Nodes32
    right: Nodes32
    missing_left: Mask
    value: Array
    start: float
    features: int

    def predict(self, rows: Rows) -> Array:
        """`start` and the leaves of all trees summed, float64 [R], of rows float32 [R, F]."""
        if rows.shape[1] != self.features:
            raise ModelError(f"the trees were taught {self.features} features, not {rows.shape[1]}; train again")
        roots = np.flatnonzero(np.diff(self.tree, prepend=-1)).astype(np.int32)
        return np.asarray(
            _walk(
                np.ascontiguousarray(rows), roots, self.feature, self.threshold, self.left, self.right,
                self.missing_left, self.value, self.start,
            )
        )  # fmt: skip

    @property
    def content(self) -> tuple[bytes, ...]:
        """What a content hash is made of."""
        return tuple(np.ascontiguousarray(getattr(self, name)).tobytes() for name in NODE_COLUMNS)

    def table(self) -> pa.Table:
        """A row per node."""
        return pa.table({name: pa.array(getattr(self, name), kind) for name, kind in _KINDS.items()})


def nodes_of(table: pa.Table, start: float, features: int) -> Nodes:
    """The inverse of `table`.

    Raises:
        ModelError: a link leads nowhere or in a circle, or a feature does not exist.
    """
    columns = {name: table[name].to_numpy() for name in NODE_COLUMNS}
    nodes = Nodes(**columns, start=start, features=features)
    place, inner = np.arange(len(nodes.tree)), nodes.left >= 0
    for link in (nodes.left, nodes.right):  # children stand behind their parent, so a walk ends
        if (link[inner] <= place[inner]).any() or (link >= len(place)).any():
            raise ModelError("the stored trees are corrupt: a link leads nowhere; train again")
    if ((nodes.feature[inner] < 0) | (nodes.feature[inner] >= features)).any():
        raise ModelError("the stored trees are corrupt: a feature does not exist; train again")
    return nodes


def no_trees(features: int) -> Nodes:
    """A model that always says zero."""
    whole, real = np.empty(0, dtype=np.int32), np.empty(0)
    return Nodes(whole, whole, real, whole, whole, np.empty(0, dtype=bool), real, 0.0, features)


def boosted_nodes(model: Any) -> Nodes:
    """Of a fitted HistGradientBoostingRegressor with numerical features and one output."""
    trees = []
    for (predictor,) in model._predictors:
        node = predictor.nodes
        inner = node["is_leaf"] == 0
        link = [np.where(inner, node[side].astype(np.int32), -1) for side in ("left", "right")]
        feature = np.where(inner, node["feature_idx"], 0)
        threshold = np.where(inner, node["num_threshold"], 0.0)
        trees.append((feature, threshold, *link, node["missing_go_to_left"] != 0, node["value"]))
    return _joined(trees, float(np.ravel(model._baseline_prediction)[0]), int(model.n_features_in_))


def forest_nodes(model: Any) -> Nodes:
    """Of a fitted RandomForestRegressor with one output; leaves hold their share of the mean over the trees."""
    trees = []
    for estimator in model.estimators_:
        tree = estimator.tree_
        inner = tree.children_left >= 0
        link = [np.where(inner, side, -1) for side in (tree.children_left, tree.children_right)]
        missing = np.asarray(tree.missing_go_to_left) != 0
        value = tree.value[:, 0, 0] / len(model.estimators_)
        trees.append((np.where(inner, tree.feature, 0), np.where(inner, tree.threshold, 0.0), *link, missing, value))
    return _joined(trees, 0.0, int(model.n_features_in_))


def _joined(trees: list[tuple[Any, ...]], start: float, features: int) -> Nodes:
    """Trees (feature, threshold, left, right, missing_left, value) one after the other, links moved along."""
    sizes = [len(tree[0]) for tree in trees]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    moved = [
        [np.where(tree[side] >= 0, tree[side] + at, -1) for tree, at in zip(trees, first, strict=True)]
        for side in (2, 3)
    ]
    number = np.repeat(np.arange(len(trees)), sizes).astype(np.int32)
    feature, threshold, missing, value = (np.concatenate([tree[i] for tree in trees]) for i in (0, 1, 4, 5))
    left, right = (np.concatenate(side).astype(np.int32) for side in moved)
    return Nodes(
        number, feature.astype(np.int32), threshold.astype(np.float64), left, right,
        missing.astype(bool), value.astype(np.float64), start, features,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _walk(
    rows: Rows,
    roots: Nodes32,
    feature: Nodes32,
    threshold: Array,
    left: Nodes32,
    right: Nodes32,
    missing_left: Mask,
    value: Array,
    start: float,
) -> Array:
    """`start` and the leaves each row falls into, summed in the order of the trees, as scikit-learn does."""
    out = np.full(len(rows), start)
    for i in range(len(rows)):
        for root in roots:
            node = root
            while left[node] >= 0:
                x = np.float64(rows[i, feature[node]])
                goes_left = missing_left[node] if np.isnan(x) else x <= threshold[node]
                node = left[node] if goes_left else right[node]
            out[i] += value[node]
    return out
