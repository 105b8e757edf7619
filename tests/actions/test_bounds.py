"""The rule's test: by segment where there are servers enough, by both resources, of needs and of sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.bounds import EVERYONE, NEED, SIZE, SMALLER, bounds, strata, verdicts
from capforecast.schema import BOUND_COLUMNS
from capforecast.settings import SizingSettings

RULES = SizingSettings()


def replays(servers: int, prefix: str = "s", over_cpu: int = 0, origins: int = 6, **columns: object) -> pd.DataFrame:
    """Replays of servers: 90 days an origin, of which each tenth server was over on so many at one origin."""
    rows = servers * origins
    hit = (np.arange(rows) % (10 * origins) == 0) * over_cpu
    return pd.DataFrame(
        {
            "server_id": np.repeat([f"{prefix}{i}" for i in range(servers)], origins),
            "action": np.where(np.arange(rows) // origins % 4 == 0, "downsize", "keep"),
            "periods_cpu": 90, "periods_memory": 90, "over_need_cpu": hit, "over_need_memory": 0, "over_size_cpu": 0,
            "over_size_memory": 0, "need_cpu_share": 0.6, "need_memory_share": 0.6,
        } | columns
    )  # fmt: skip


def segments(**names: str) -> pd.Series:
    return pd.Series({f"{prefix}{i}": name for prefix, name in names.items() for i in range(400)})


def cases(table: pd.DataFrame, before: pd.Series) -> pd.Series:
    return strata(table, before, before, RULES)[0]


def judged(table: pd.DataFrame, before: pd.Series) -> pd.DataFrame:
    return verdicts(bounds(table, cases(table, before), RULES))


def test_segments_of_few_servers_are_tested_together() -> None:
    table = pd.concat([replays(150, "a"), replays(20, "b"), replays(30, "c")])
    names = segments(a="idle", b="hot", c="steady")
    stratum, now = strata(table, names, names.replace("hot", "idle"), RULES)
    assert stratum["a0"] == "idle"
    assert (stratum["b0"], stratum["c0"]) == (SMALLER, SMALLER), "by what they were like before"
    assert (now["b0"], now["c0"]) == ("idle", EVERYONE), "by what they are like now, and 50 are few"
    more = pd.concat([table, replays(90, "d")])
    assert strata(more, names, names, RULES)[1]["c0"] == EVERYONE
    names = segments(a="idle", b="hot", c="steady", d="growing")
    assert strata(more, names, names, RULES)[1]["c0"] == SMALLER, "140 prove something by themselves"
    found = bounds(table, stratum, RULES)
    assert tuple(found.columns) == BOUND_COLUMNS
    assert found["stratum"].unique().tolist() == ["idle", SMALLER, EVERYONE]
    need = found[(found["test"] == NEED) & (found["resource"] == "vcpu")].set_index("stratum")["servers"]
    assert need.to_dict() == {"idle": 150, SMALLER: 50, EVERYONE: 200}
    size = found[(found["test"] == SIZE) & (found["resource"] == "vcpu")].set_index("stratum")["servers"]
    assert size["idle"] == 38, "only those it would have made smaller"


def test_many_clean_servers_bear_the_promise_out_and_few_do_not() -> None:
    for servers, kept in ((300, True), (10, False)):
        table = replays(servers)
        found = judged(table, segments(s="idle"))
        assert bool(found.iloc[0]["kept"]) is kept
        assert found.iloc[0]["bound_rate"] == 0.0
        assert (found.iloc[0]["bound_upper"] <= RULES.exceedance_limit) is np.bool_(kept)


def test_the_worse_resource_and_the_sizes_themselves_decide() -> None:
    table = replays(300, over_cpu=90)  # a tenth of the servers, a sixth of the time
    found = judged(table, segments(s="idle")).loc["idle"]
    assert not found["kept"]
    assert found["bound_rate"] == pytest.approx(1 / 60)
    assert found["bound_upper"] > found["bound_rate"]
    sizes = replays(300, over_size_memory=2)  # 2 of 90 days above the size, though never above the need
    worse = judged(sizes, segments(s="idle")).loc["idle"]
    assert worse["bound_upper"] < RULES.exceedance_limit
    assert not worse["kept"]
    assert worse["size_over"] > 0


def test_servers_that_need_all_they_have_prove_nothing_about_those_that_do_not() -> None:
    small, full = replays(150, "s", over_cpu=20), replays(450, "f", need_cpu_share=1.3)
    table = pd.concat([small, full], ignore_index=True)
    stratum = cases(table, segments(s="steady", f="steady"))
    found = bounds(table, stratum, RULES)
    cpu, memory = (
        found[(found["stratum"] == "steady") & (found["test"] == NEED) & (found["resource"] == name)].iloc[0]
        for name in ("vcpu", "memory_gib")
    )
    assert (cpu["servers"], memory["servers"]) == (150, 550), "of 400 servers of a segment"
    alone = bounds(small, cases(small, segments(s="steady")), RULES)
    same = alone[(alone["stratum"] == "steady") & (alone["test"] == NEED) & (alone["resource"] == "vcpu")].iloc[0]
    assert cpu["upper"] == pytest.approx(same["upper"])
    tight = replays(300, need_cpu_share=1.0, need_memory_share=1.0)
    assert set(cases(tight, segments(s="steady"))) == {SMALLER}


def test_the_share_above_smaller_sizes_is_that_of_the_worse_resource() -> None:
    table = replays(300, over_size_memory=1)  # 1 of 90 days; as much CPU as memory was seen
    found = judged(table, segments(s="idle")).loc["idle"]
    assert not found["kept"]
    assert found["size_over"] / found["size_periods"] == pytest.approx(1 / 90)


def test_no_replay_no_evidence() -> None:
    none = replays(0)
    found = bounds(none, strata(none, segments(s="idle"), segments(s="idle"), RULES)[0], RULES)
    assert found.empty
    assert verdicts(found).empty
    blind = replays(300, periods_memory=0)
    assert not judged(blind, segments(s="idle"))["kept"].any()


def test_a_segment_that_nobody_was_in_before_is_tested_with_all_servers() -> None:
    table = replays(150)
    _, now = strata(table, segments(s="idle"), segments(s="hot"), RULES)
    assert set(now) == {EVERYONE}


def test_few_servers_whose_own_record_is_bad_do_not_hide_behind_the_others() -> None:
    def tested(over: int) -> tuple[str, bool]:
        table = pd.concat([replays(400, "a"), replays(20, "b", over_cpu=over)], ignore_index=True)
        names = segments(a="idle", b="batch")
        of_cases, now = strata(table, names, names, RULES)
        return now["b0"], bool(verdicts(bounds(table, of_cases, RULES)).loc[now["b0"], "kept"])

    assert tested(0) == (EVERYONE, True)
    assert tested(80) == (SMALLER, False), "1.5 % of 20 servers' periods, 0.07 % of all"
