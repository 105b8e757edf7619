"""The sections on what to do and on segments, and the line on page 1."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from action_samples import (
    PRICES,
    action_row,
    actions_frame,
    bounds_frame,
    consolidation_row,
    realised_frame,
    savings_frame,
    segment_sizes_frame,
    with_actions,
)
from report_samples import LONG, NASTY, report_data, servers_frame
from test_pdf import Seen, needs_pango, pages_of, plain

from capforecast.report.data import ReportData
from capforecast.report.page_actions import actions_fact, actions_page
from capforecast.report.page_segments import segments_page
from capforecast.report.pdf import render_html, render_pdf
from capforecast.settings import ReportSettings, Settings

NOTHING = pd.DataFrame()


@pytest.fixture(scope="module")
def base() -> ReportData:
    return report_data(servers_frame(20), fans=0)


def made(base: ReportData, rows: list[dict[str, Any]], **more: Any) -> ReportData:
    actions = pd.DataFrame(rows)
    return with_actions(base, actions, **({"savings": savings_frame(actions)} | more))


def page(data: ReportData) -> dict[str, Any]:
    found = actions_page(data.summary)
    assert found is not None
    return found


def test_page_one_says_what_to_do_and_what_it_costs(base: ReportData) -> None:
    rows = [
        action_row("a", "upsize"),
        action_row("b", "downsize"),
        action_row("c", "stop"),
        action_row("d", "withheld"),
    ]
    data = made(base, rows)
    fact = actions_fact(data.summary)
    assert fact is not None
    assert plain(fact[1]) == (
        "1 server needs a larger size (USD 140 more a month); 1 server can be smaller (USD 70 less a month); 1 server "
        "can be stopped (USD 140 less a month); in all USD 70 less a month. Advice for 1 server is withheld."
    )
    front = Seen(render_html(data, ReportSettings())).text
    assert plain(fact[1]) in front[: front.index("How far to trust the forecasts")]
    assert actions_fact(base.summary) is None


def test_servers_without_a_price_are_in_no_sum(base: ReportData) -> None:
    found = page(made(base, [action_row("a", "downsize"), action_row("b", "downsize", priced=False)]))
    assert plain(found["answer"]) == "2 servers can be smaller (USD 70 less a month, 1 of them priced)."
    assert found["prices"].endswith(f"source and servers: {PRICES} (1). 1 server without a price: in no sum.")
    assert [(row["change"], row["no_price"] != "") for row in found["smaller"]] == [("−70", False), ("–", True)]
    none = page(made(base, [action_row("a", "downsize"), action_row("b", "upsize", priced=False)]))
    said = "1 server needs a larger size (not priced); 1 server can be smaller (USD 70"
    assert plain(none["answer"]).startswith(said)


def test_what_makes_a_larger_size_urgent_stands_beside_it(base: ReportData) -> None:
    found = page(made(base, [action_row("a", "upsize")]))
    assert found["upsizes"][0]["risk"] == "CPU above 90 % now"
    text = Seen(render_html(made(base, [action_row("a", "upsize")]), ReportSettings())).text
    assert "CPU above 90 % now" in text[text.index("Larger sizes") :]


def test_no_prices_no_money(base: ReportData) -> None:
    bare = actions_frame(base.servers, priced=False)
    data = with_actions(base, bare, savings=savings_frame(bare), consolidation=NOTHING)
    found = page(data)
    assert (found["prices"], found["money"], found["units"]) == ("No prices: sizes only.", [], [])
    text = Seen(render_html(data, ReportSettings())).text
    part = text[text.index("What to do about it") : text.index("Segments")]
    assert "No prices: sizes only." in part
    assert "a month" not in part


def test_kinds_stand_side_by_side_spending_first(base: ReportData) -> None:
    found = page(with_actions(base))
    assert [row["name"] for row in found["money"]] == [
        "Larger sizes",
        "Smaller sizes",
        "Stopped servers",
        "All together",
    ]
    assert found["money"][0]["change"].startswith("+")
    low, high = found["money"][1]["range"].split(" to ")
    assert (low, high) == ("−252", "−147"), "of three servers, the larger saving first"
    assert sum(int(row["servers"]) for row in found["money"][:3]) == int(found["money"][3]["servers"])
    assert len(found["units"]) == 4


def test_a_range_of_one_figure_is_one_figure(base: ReportData) -> None:
    rows = [action_row("a", "stop"), action_row("b", "downsize", change_q10=-70.4, change_q90=-69.9)]
    data = made(base, rows)
    assert page(data)["smaller"][0]["range"] == "−70"
    assert page(made(base, [action_row("a", "downsize", change_q10=float("nan"))]))["smaller"][0]["range"] == "–"


def test_the_rule_says_how_far_it_looks_and_how_much_stays_free(base: ReportData) -> None:
    rule = plain(page(made(base, [action_row("a", "downsize")]))["rule"])
    assert "the projected peak of the next 90 d on 95 % of the sample paths with 20 % free" in rule
    assert "(30 % of memory known by its P95 alone)" in rule
    short = made(base, [action_row("a", "downsize"), action_row("b", "keep", horizon_days=30)])
    assert "the projected peak of the next 30 to 90 d on 95 %" in plain(page(short)["rule"])
    none = made(base, [action_row("a", "none", paths=0)])
    assert "the projected peak on 95 % of" in plain(page(none)["rule"])


def test_nothing_to_move_is_said(base: ReportData) -> None:
    assert page(made(base, [action_row("a", "keep")]))["answer"] == "No other size is advised."
    held = page(made(base, [action_row("a", "withheld", reason="54 servers cannot rule out that 2.4% of periods")]))
    assert plain(held["withheld"]["rows"][0]["why"]) == "54 servers cannot rule out that 2.4 % of periods"
    held = page(made(base, [action_row(name, "withheld") for name in "ab"]))
    assert held["answer"] == "No other size is advised: advice for 2 servers is withheld."
    assert held["withheld"]["rows"] == [
        {"what": "smaller", "why": "a known peak lies ahead that its history does not hold: year end", "servers": "2"}
    ]


def test_sizes_of_servers_without_types_and_without_units(base: ReportData) -> None:
    amounts = action_row("a", "downsize", instance_type="", to_type="")
    nan = float("nan")
    shares = action_row("b", "downsize", instance_type="", to_type="", vcpus=nan, memory_gib=nan, to_vcpus=nan,
                        to_memory_gib=nan, need_vcpus=nan, need_memory_gib=nan, to_memory_share=nan)  # fmt: skip
    rows = page(made(base, [amounts, shares]))["smaller"]
    assert plain(" -> ".join([rows[0]["now"][0], rows[0]["to"][0]])) == "4 vCPU, 16 GiB -> 2 vCPU, 8 GiB"
    assert plain(" -> ".join([rows[1]["now"][0], rows[1]["to"][0]])) == "– -> CPU 50 %"
    assert plain(rows[1]["needs"]) == "40 % of its CPU, 45 % of its memory"


def test_broken_promises_come_first(base: ReportData) -> None:
    found = page(with_actions(base))["bounds"]
    assert found["said"] == "The replay bears the promise out in 1 of 2 groups of servers."
    first, *rest = found["rows"]
    assert (first["stratum"], plain(first["upper"]), first["broken"]) == ("smaller segments", "1.88 %", "upper")
    assert {row["broken"] for row in rest} == {""}, "of sizes the share itself counts, not its limit"
    assert rest[-1]["stratum"] == "all servers"
    alone = page(with_actions(base, bounds=bounds_frame().iloc[[0, 3]]))["bounds"]
    assert (alone["said"], len(alone["rows"])) == ("The replay bears the promise out.", 1), (
        "all servers are these servers"
    )
    many = pd.concat([bounds_frame().assign(stratum=f"segment {i}") for i in range(5)])
    assert page(with_actions(base, bounds=many))["bounds"]["of"] == "12 of 25; the workbook lists all."
    assert page(with_actions(base, bounds=NOTHING))["bounds"]["rows"] == []


def test_packing_says_what_it_frees_and_why_not(base: ReportData) -> None:
    found = page(with_actions(base))["packing"]
    assert plain(found["answer"]) == (
        "10 hosts and instances could go in 2 groups of servers (USD 1,960 less a month, 1 of 2 groups priced)."
    )
    assert (found["rows"][0]["needed"], found["rows"][0]["freed"]) == ("12 + 1", "7")
    assert found["not_said"] == ["needs hourly mean or maximum (1 group)"]
    nothing = {"reason": "withheld: needs hourly mean or maximum", "freed": float("nan"), "hosts": float("nan")}
    daily = pd.DataFrame([consolidation_row(unit, **nothing) for unit in "ab"])
    assert page(with_actions(base, consolidation=daily))["packing"]["not_said"] == [], "it is said once"
    assert page(with_actions(base, consolidation=daily))["packing"]["answer"] == (
        "Nothing is proposed: needs hourly mean or maximum."
    )
    assert page(with_actions(base, consolidation=NOTHING))["packing"] is None


def test_a_discount_has_its_own_column(base: ReportData) -> None:
    prices = {"discount": "savings_plan", "discounts": {"savings_plan": 0.72}}
    data = with_actions(base, settings=Settings.model_validate({"prices": prices}))
    assert "After discount" in Seen(render_html(data, ReportSettings())).text
    assert "list prices times 0.72 (savings plan)" in data.summary.definitions["prices"]
    assert "After discount" not in Seen(render_html(with_actions(base), ReportSettings())).text


def test_earlier_advice_and_owners_are_named(base: ReportData) -> None:
    rows = [action_row("a", "stop", zombie=True, owner=""), action_row("b", "keep", state="realised"),
            action_row("c", "keep", state="accepted")]  # fmt: skip
    rows.append(action_row("d", "downsize", state="proposed"))
    found = page(made(base, rows))
    assert (found["states"], found["followed"]) == ("1 accepted and 1 realised", "")
    assert found["stops"][0]["owner"] == "no owner"
    assert found["stops"][0]["why"].startswith("14 of 14 days")


def test_what_was_promised_stands_beside_what_came(base: ReportData) -> None:
    came = realised_frame()
    assert plain(page(with_actions(base, realised=came))["followed"]) == (
        "2 servers show the size once advised: promised was USD 100 less a month, it came to USD 91 less (of 1)."
    )
    unknown = page(with_actions(base, realised=came.iloc[1:]))["followed"]
    assert unknown == "1 server shows the size once advised; what that promised or brought is not known."


def test_long_lists_are_cut_with_a_word_on_the_rest(base: ReportData) -> None:
    rows = [action_row(f"u{i:03d}", "upsize") for i in range(200)] + [
        action_row(f"d{i}", "downsize") for i in range(70)
    ]
    found = page(made(base, rows))
    assert (len(found["upsizes"]), found["upsizes_of"]) == (25, "25 of 200; the workbook lists all.")
    assert (len(found["smaller"]), found["top_of"]) == (25, "The largest savings: 25 of 70; the workbook lists all.")


def test_segments_stand_with_their_servers_and_what_is_done(base: ReportData) -> None:
    found = segments_page(with_actions(base).summary, {"cpu": "percent", "net_in": "Mbit/s"})
    assert found is not None
    assert [(row["name"], row["servers"]) for row in found["rows"]] == [
        ("idle", "30"), ("steady", "140"), ("hot", "12"), ("unknown", "8"),
    ]  # fmt: skip
    assert found["units"] == "In percent; incoming traffic in Mbit/s."
    none = segment_sizes_frame().iloc[3:]
    alone = segments_page(with_actions(base, segment_sizes=none).summary, {})
    assert alone is not None
    assert (alone["picture"], alone["rows"][0]["share"]) == (None, plain("100 %").replace(" ", "\N{NO-BREAK SPACE}"))
    assert segments_page(base.summary, {}) is None


def test_an_old_run_has_neither_section(base: ReportData) -> None:
    text = Seen(render_html(base, ReportSettings())).text
    assert "What to do about it" not in text
    assert "Segments" not in text


@needs_pango
def test_long_and_hostile_names_stay_within_the_page(base: ReportData) -> None:
    nasty = NASTY[:-3]
    rows = [action_row(nasty, "upsize", business_unit=LONG, to_type=LONG),
            action_row(LONG, "stop", idle_basis=LONG * 3),
            action_row("w", "withheld", reason=f"<b>{nasty}</b>")]  # fmt: skip
    sizes = segment_sizes_frame()
    sizes.loc[1, "name"] = f"{LONG}, {nasty}"
    text = " ".join(pages_of(render_pdf(made(base, rows, segment_sizes=sizes), ReportSettings())))
    assert "<script>alert('x')</script> & $co_{st}$" in text[text.index("What to do about it") :]


def test_a_packing_without_spare_hosts_promises_none(base: ReportData) -> None:
    def term(spare: int) -> str:
        settings = Settings.model_validate({"consolidation": {"spare": spare, "weeks": 6, "held_out_weeks": 2}})
        return with_actions(base, settings=settings).summary.definitions["consolidation"]

    assert "still fits" not in term(0)
    assert "the 2 largest of them removed" in term(2)
    assert "without the last 2 weeks" in term(1)
