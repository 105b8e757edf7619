"""Tiles: who is fitted with whom, and how lines are written back."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.tiles import first_fitted, put_lines, tiles_of


def test_fits_cover_a_series_own_history_and_at_most_a_third_more():
    age = np.arange(28, 1000)
    length = 1000 - first_fitted(age, 1000)
    assert (length >= age).all()
    assert (length <= np.maximum(1.3 * age + 1, age + 7)).all()
    assert len(np.unique(length)) < 20  # designs are shared


def test_every_series_old_enough_is_in_one_tile(walks, daily_block):
    values = walks(200, 150)
    values[:, 7] = np.nan
    for column in range(10, 150, 2):
        values[:column, column] = np.nan
    values[:180, 20] = np.nan  # 20 days old
    found = np.concatenate([tile.which for tile in tiles_of(daily_block(values, (200,), 5), 200)])
    assert sorted(found[found < 150]) == [n for n in range(150) if n not in (7, 20)]


def test_logarithms_keep_small_movements_of_a_large_level(walks, daily_block):
    block = daily_block(1e6 + walks(100, 2), (100,), 5)
    (tile,) = tiles_of(block, 100)
    levels, logs = tile.values(block, 95, 100)
    out = block.empty(2)
    none = np.zeros((1, 64))
    for k, values in enumerate((levels, logs)):
        put_lines(out[0], np.array([k]), tile, k == 1, none, none, np.zeros((1, 5)), values[None])
    np.testing.assert_allclose(out[0, 1, :, :2], block.clean[95:, :2], rtol=1.5e-7)
    np.testing.assert_array_equal(out[0, 0, :, :2], block.clean[95:, :2].astype(np.float32))
