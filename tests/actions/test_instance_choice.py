"""The size of instances that servers are packed onto: the best there is, found without packing onto all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions import instance_choice
from capforecast.actions.instance_choice import best_instances, change, placed
from capforecast.actions.packing_targets import Instance, instance_targets
from capforecast.settings import ConsolidationSettings

RULES = ConsolidationSettings()


def instance(vcpus: float, memory: float, count: int, hourly: float = np.nan) -> Instance:
    return Instance(float(vcpus), float(memory), "", hourly, -1, np.ones(count, dtype=bool))


def moving(count: int) -> np.ndarray:
    return np.full(count, "", dtype=object)


def test_what_is_worse_is_said() -> None:
    few = np.ones(4, dtype=bool)
    now = np.tile([2.0, 8.0, 0.1], (4, 1))
    assert change(now, few, few, instance(4, 16, 4, 0.2), 2).worse() == "fewer, but not cheaper"
    assert change(now, few, few, instance(4, 16, 4, 0.19), 2).worse() == ""
    assert change(now, few, few, instance(4, 16, 4), 2).worse() == ""
    words = change(now, few, few, instance(4, 20, 4), 2).worse()
    assert words == "fewer, but larger in all (8 vCPU for 8, 40 GiB for 32)"


def test_a_size_is_judged_with_those_too_large_for_it() -> None:
    """Of 4 vCPU for 8 servers of 4 and one of 16 that does not fit: (3 x 4 + 16) of 48."""
    amounts = np.array([[4.0, 16.0, np.nan]] * 8 + [[16.0, 64.0, np.nan]])
    free, packed = np.ones(9, dtype=bool), np.arange(9) < 8
    assert change(amounts, free, packed, instance(4, 16, 9), 3).share(by_cost=False) == pytest.approx(28 / 48)


def test_where_nothing_can_be_freed_the_reason_is_that_of_servers_that_move() -> None:
    load = np.full((4, 2, 24), 3.0, dtype=np.float32)
    amounts = np.tile([4.0, 4.0, np.nan], (4, 1))
    targets, place = best_instances(amounts, load, moving(4), [instance(4, 4, 4), instance(1, 1, 4)], RULES)
    assert targets.instance is not None
    assert targets.instance.vcpus == 4
    assert sorted(place) == [0, 1, 2, 3]


def test_servers_of_another_architecture_stay() -> None:
    load, alike = np.full((6, 2, 24), 0.5, dtype=np.float32), np.arange(6) != 2
    targets, place = best_instances(
        np.tile([4.0, 4.0, np.nan], (6, 1)), load, moving(6), [Instance(4.0, 4.0, "", np.nan, -1, alike)], RULES
    )
    assert place[2] == -1
    assert targets.stays[2] == "it is of another architecture"
    assert (place[alike] == 0).all()


@st.composite
def cases(draw):
    """Servers of a few sizes that use little of them."""
    random, count = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.integers(3, 25))
    size = random.choice([1.0, 2.0, 4.0, 8.0, 32.0], (count, 2), p=[0.2, 0.3, 0.2, 0.2, 0.1]) * [1, 4]
    load = (random.gamma(0.5, 0.2, (count, 2, 48)).clip(0, 1) * size[:, :, None]).astype(np.float32)
    cost = size.sum(axis=1) * random.choice([0.9, 1.0], count) if draw(st.booleans()) else np.full(count, np.nan)
    amounts = np.column_stack([size, cost])
    kinds = pd.DataFrame(amounts).sort_values(2).drop_duplicates([0, 1], keep="last")
    return amounts, load, [instance(v, g, count, c) for v, g, c in kinds.itertuples(index=False)]


@given(cases())
@settings(max_examples=25, deadline=None)
def test_no_size_that_is_not_looked_at_would_have_been_better(case) -> None:
    amounts, load, sizes = case
    stays, by_cost = moving(len(load)), bool(np.isfinite(amounts[:, 2]).all())
    ranks = []
    for size in sizes:
        targets = instance_targets(load, stays, size, len(sizes), RULES)
        place, moved = placed(load, targets), targets.stays == ""
        count = place.max() + 1 + RULES.spare
        found = change(amounts, stays == "", moved, size, count)
        gain = bool(moved.any() and count < moved.sum() and not found.worse())
        ranks.append((not gain, found.share(by_cost) if gain else 0.0))
    targets, _ = best_instances(amounts, load, stays, sizes, RULES)
    got = ranks[[one is targets.instance for one in sizes].index(True)]
    assert got[0] == min(ranks)[0]
    assert got[1] == pytest.approx(min(ranks)[1])


@pytest.mark.parametrize(("name", "most"), [("m5.v", instance_choice.MOST_PACKED), ("", 1)])
def test_of_many_sizes_few_are_packed_onto(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    """Of types a dozen; of sizes that nobody offers, but those servers happen to have, only such as differ."""
    packed = []
    monkeypatch.setattr(instance_choice, "first_fit", lambda load, bins: packed.append(1) or np.arange(len(load)))
    load = np.full((40, 2, 24), 0.5, dtype=np.float32)
    sizes = [
        replace(instance(8 + v / 1000, 32, 40), type=f"{name}{v}" if name else "") for v in range(99)
    ]  # fmt: skip
    targets, _ = best_instances(np.tile([8.0, 32.0, np.nan], (40, 1)), load, moving(40), sizes, RULES)
    assert len(packed) == most
    assert "chosen among 99 sizes" in targets.words
