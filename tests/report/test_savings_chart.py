"""The waterfall of money: its bars join, end where the totals say, and are not drawn without prices."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

from action_samples import actions_frame, with_actions
from report_samples import report_data, servers_frame

from capforecast.report import action_words as words
from capforecast.report.savings_chart import savings_alt, savings_chart, savings_title, steps
from capforecast.report.summary_actions import ActionsSummary, Saving

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def found(*, priced: bool = True) -> ActionsSummary:
    servers = servers_frame(60)
    actions = with_actions(report_data(servers, fans=0), actions_frame(servers, priced=priced)).summary.actions
    assert actions is not None
    return actions


def test_bars_join_from_the_cost_now_to_the_cost_then() -> None:
    bars = steps(found())
    assert [bar.name for bar in bars] == ["Cost now", "Larger sizes", "Smaller sizes", "Stopped servers", "Cost then"]
    assert all(abs(a.end - b.start) < 0.01 for a, b in itertools.pairwise(bars[:-1]))
    assert abs(bars[-2].end - bars[-1].end) < 0.01


def test_its_figures_are_those_of_the_table() -> None:
    actions = found()
    every = next(row for row in actions.savings if row.scope == "fleet" and row.kind == "all")
    shown = texts(savings_chart(actions) or "")
    assert words.money(every.monthly) in shown
    assert words.money(every.to_monthly) in shown
    for row in actions.savings:
        if row.scope == "fleet" and row.kind != "all":
            assert words.change(row.monthly_change) in shown
            assert words.change(row.monthly_change) in savings_alt(actions)
    assert f"of the {every.priced} servers" in savings_title(actions)


def test_without_prices_there_is_no_waterfall() -> None:
    assert savings_chart(found(priced=False)) is None


def test_stopping_everything_ends_at_nothing() -> None:
    rows = [Saving(scope="fleet", kind=kind, servers=1, priced=1, monthly=70.0, to_monthly=0.0, monthly_change=-70.0)
            for kind in ("stop", "all")]  # fmt: skip
    actions = ActionsSummary(servers=1, counts={"stop": 1}, currency="USD", savings=rows, sentence="")
    assert texts(savings_chart(actions) or "")[-2:] == ["Cost then", "0"]
