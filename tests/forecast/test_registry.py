"""Champions: the latest data wins, whatever is trained in between."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from capforecast.errors import ModelError
from capforecast.forecast import registry
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

MONDAY = pd.Timestamp("2026-11-23", tz="UTC")


def manifest(name: str) -> Reference:
    return Reference(uri=f"models/cadence=daily/business_unit=x/{name}/manifest.json", sha256="0" * 64, rows=1)


def test_a_later_model_becomes_champion_and_a_backfill_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path)
    registry.promote(store, Cadence.DAILY, "x", manifest("now"), MONDAY)
    registry.promote(store, Cadence.DAILY, "x", manifest("past"), MONDAY - pd.Timedelta(days=60))
    assert registry.champion(store, Cadence.DAILY, "x") == manifest("now")
    registry.promote(store, Cadence.DAILY, "x", manifest("next"), MONDAY + pd.Timedelta(days=7))
    assert registry.champion(store, Cadence.DAILY, "x") == manifest("next")


def test_promoting_the_champion_again_leaves_no_trace(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for _ in range(3):
        registry.promote(store, Cadence.DAILY, "x", manifest("now"), MONDAY)
    assert len(store.keys("models")) == 1


def test_without_a_model_training_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train first"):
        registry.champion(Store(tmp_path), Cadence.DAILY, "nobody")
