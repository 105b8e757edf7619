"""The tables of actions in the summary."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from action_samples import (
    PRICES,
    action_row,
    actions_frame,
    bounds_frame,
    consolidation_frame,
    savings_frame,
    segment_sizes_frame,
    with_actions,
)
from report_samples import report_data, servers_frame

from capforecast.actions.rightsize import AT_LIMIT
from capforecast.errors import StageError
from capforecast.report.action_words import needed
from capforecast.report.actions_part import OTHER_REASONS, actions_summary, segment_summaries
from capforecast.report.summary import RunSummary
from capforecast.report.summary_actions import ActionsSummary
from capforecast.settings import Settings

NOTHING = pd.DataFrame()


def told(rows: list[dict[str, object]], settings: Settings | None = None) -> ActionsSummary:
    actions = pd.DataFrame(rows)
    found = actions_summary(actions, savings_frame(actions), NOTHING, NOTHING, settings or Settings())
    assert found is not None
    return found


def test_counts_add_up_to_the_servers_and_sums_to_the_cent() -> None:
    actions = actions_frame(servers_frame(200))
    found = actions_summary(actions, savings_frame(actions), bounds_frame(), consolidation_frame(), Settings())
    assert found is not None
    assert sum(found.counts.values()) == found.servers == 200
    assert sum(row.servers for row in found.withheld) == found.counts["withheld"]
    fleet = {row.kind: row for row in found.savings if row.scope == "fleet"}
    assert round(sum(fleet[kind].monthly_change or 0 for kind in ("upsize", "downsize", "stop")), 2) == (
        fleet["all"].monthly_change
    )
    units = [row.monthly_change or 0 for row in found.savings if row.scope == "business_unit" and row.kind == "all"]
    assert round(sum(units), 2) == fleet["all"].monthly_change
    assert (found.currency, found.price_sources) == ("USD", {PRICES: 200})
    assert {row.scope for row in found.savings} == {"fleet", "business_unit"}


def test_large_sums_keep_their_cents() -> None:
    row = {"scope": "fleet", "name": "", "kind": "all", "servers": 1, "priced": 1, "monthly": 98_765_432.11}
    actions = pd.DataFrame([action_row("a", "keep")])
    found = actions_summary(actions, pd.DataFrame([row]), NOTHING, NOTHING, Settings())
    assert found is not None
    assert found.savings[0].monthly == 98_765_432.11


def test_the_most_urgent_and_the_largest_savings_come_first() -> None:
    found = told([
        action_row("a", "downsize", monthly_change=-10.0), action_row("b", "stop", monthly_change=-500.0),
        action_row("c", "downsize", monthly_change=-70.0), action_row("d", "upsize", tier="high"),
        action_row("e", "upsize", tier="critical"), action_row("f", "keep"),
    ])  # fmt: skip
    assert [row.server_id for row in found.upsizes] == ["e", "d"]
    assert [row.server_id for row in found.top] == ["b", "c", "a"]


def test_without_prices_the_largest_cut_comes_first_and_no_money_is_named() -> None:
    small = action_row("a", "downsize", priced=False)
    large = action_row("b", "downsize", priced=False, vcpus=64.0)
    found = told([small, large, action_row("c", "upsize", priced=False)])
    assert [row.server_id for row in found.top] == ["b", "a"]
    assert (found.currency, found.priced, found.price_sources) == ("", 0, {})
    assert found.sentence == "1 server needs a larger size; 2 servers can be smaller. No prices: sizes only."
    assert "USD" not in found.model_dump_json(exclude={"savings"})


def test_reasons_are_counted_none_is_lost() -> None:
    rows = [action_row(f"s{i}", "withheld", reason=f"odd reason {i}") for i in range(40)]
    rows += [action_row(f"r{i}", "withheld", reason=f"rejected on 2025-12-0{i + 1} by kim: note {i}") for i in range(9)]
    rows += [action_row("u", "withheld", withheld_action="upsize")]
    why = (
        "a smaller size ({} vCPU, 8 GiB) would hold its peaks, but 12 servers replayed (hot) cannot rule out that 3.3%"
    )
    rows += [action_row(f"t{i}", "withheld", reason=why.format(i)) for i in range(10)]
    found = told(rows)
    assert (found.withheld[0].reason, found.withheld[0].servers) == (why[why.index("12 ") :], 10)
    assert (found.withheld[1].reason, found.withheld[1].servers) == ("rejected earlier", 9)
    assert found.withheld[-1].reason == OTHER_REASONS
    assert sum(row.servers for row in found.withheld) == 60


def test_a_server_with_two_actions_is_refused_by_name() -> None:
    with pytest.raises(StageError, match="1 server with more than one action, the first is 'a'"):
        told([action_row("a", "keep"), action_row("a", "downsize")])


def test_zombies_and_earlier_advice_are_counted() -> None:
    found = told(
        [
            action_row("a", "stop", zombie=True),
            action_row("b", "stop"),
            action_row("c", "keep", state="realised"),
            action_row("d", "keep", zombie=True),
        ]
    )
    assert (found.zombies, found.states) == (1, {"realised": 1})


def test_consolidation_begins_with_what_frees_most() -> None:
    found = actions_summary(
        pd.DataFrame([action_row("a", "keep")]), NOTHING, NOTHING, consolidation_frame(), Settings()
    )
    assert found is not None
    assert [(row.business_unit, row.freed) for row in found.consolidation] == [
        ("Logistics", 7), ("Online Shop", 3), ("Retail Banking", None),
    ]  # fmt: skip
    assert found.consolidation[2].reason == "withheld: needs hourly mean or maximum"


def test_large_counts_are_exact_though_others_are_missing() -> None:
    groups = consolidation_frame().assign(replayed_hours=[np.nan, 1_234_567.0, 2.0])
    found = actions_summary(pd.DataFrame([action_row("a", "keep")]), NOTHING, NOTHING, groups, Settings())
    assert found is not None
    assert [row.replayed_hours for row in found.consolidation] == [2, 1_234_567, None]


def test_segments_with_their_centroids_unknown_last() -> None:
    found = segment_summaries(segment_sizes_frame().iloc[::-1])
    assert [part.name for part in found] == ["idle", "steady", "hot", "unknown"]
    assert found[0].centroid["cpu_weekly"] == -7.0
    assert found[1].centroid["disk_quarter_end"] is None
    assert (found[3].silhouette, found[3].servers) == (None, 8)


def test_the_summary_is_plain_json_and_comes_back_as_it_was() -> None:
    data = with_actions(report_data(servers_frame(40), fans=0))
    text = data.summary.model_dump_json()
    assert RunSummary.model_validate_json(text) == data.summary
    assert "NaN" not in text
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in the summary"))
    assert data.summary.schema_version == RunSummary.model_fields["schema_version"].default


def test_order_of_rows_changes_nothing() -> None:
    actions = actions_frame(servers_frame(60))
    again = actions.sample(frac=1, random_state=2)
    one, other = (actions_summary(table, savings_frame(actions), bounds_frame(), consolidation_frame(), Settings())
                  for table in (actions, again))  # fmt: skip
    assert one == other


def test_an_old_run_has_neither() -> None:
    assert actions_summary(NOTHING, NOTHING, NOTHING, NOTHING, Settings()) is None
    assert segment_summaries(NOTHING) == []
    few = pd.DataFrame({"server_id": ["a"], "business_unit": ["x"], "action": ["keep"]})
    found = actions_summary(few, NOTHING, NOTHING, NOTHING, Settings())
    assert found is not None
    assert (found.counts, found.currency, found.savings) == ({"keep": 1}, "", [])
    assert np.isfinite(found.servers)


def test_servers_that_no_size_helps_are_counted_and_said() -> None:
    rows = [action_row("a", "keep", tier="critical", risk_basis="disk p95 is above 90 now")]
    rows += [action_row("b", "keep", tier="high", risk_basis="net_in p95 is above 80 now"), action_row("c", "keep")]
    found = told(rows)
    assert found.other_remedies == {"disk": 1, "net_in": 1}
    assert found.sentence.endswith("2 servers at risk need another remedy than a size (disk 1, net_in 1).")
    full = told([action_row("d", "upsize", reason="it is at risk" + AT_LIMIT, need_vcpus=10.0, need_memory_gib=4.0)])
    assert needed(full.upsizes[0]).startswith("at least 10")
