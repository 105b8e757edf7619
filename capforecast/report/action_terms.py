"""Definitions of what a report says on what to do: sizes, their test, money, idle servers, packing, segments."""

from __future__ import annotations

from collections.abc import Sequence

from capforecast.report.summary_actions import ActionsSummary, SegmentSummary
from capforecast.settings import Settings


def action_terms(
    settings: Settings, actions: ActionsSummary | None, segments: Sequence[SegmentSummary]
) -> dict[str, str]:
    """Definitions of the parts that a report has, with the configured numbers."""
    terms: dict[str, str] = {}
    if actions:
        terms |= _sizes(settings) | _idle(settings) | _money(settings, actions)
        terms |= _packing(settings) if actions.consolidation else {}
    return terms | (_segments(settings) if segments else {})


def _sizes(settings: Settings) -> dict[str, str]:
    sizing = settings.sizing
    return {
        "headroom": (
            f"Share of a size that stays free at the projected peak: {_percent(sizing.headroom)}. A size is safe where "
            f"CPU and memory of {_percent(sizing.fit_share)} of the sample paths stay, at their peak within the "
            f"horizon, below what it holds less the headroom. Of memory known by its P95 alone, "
            f"{_percent(sizing.headroom_memory_p95)} stay free."
        ),
        "larger, smaller": (
            "Larger: of a critical or high server, the least size that is safe. Smaller: of the others, the cheapest "
            "safe size, or the smallest where no price is known. Exactly one action for each server."
        ),
        "withheld": (
            "Something is missing that the rule needs, or its replay does not bear it out. What would have been "
            "advised is listed with the reason, and is in no sum of money."
        ),
        "exceedance bound": (
            "The rule was replayed at past origins, on what was known then, and held against what came, over all "
            "servers of a segment (small ones together). Of needs: share of periods in which a server used more than "
            "the rule said it needs, where that was less than it has; the bound is its 95 % upper limit. Of sizes: "
            "share of periods above 100 % of the "
            f"smaller sizes. Promised: both at most {_percent(sizing.exceedance_limit)}; else smaller sizes are "
            "withheld. Sizes are rounded up from needs, so the first test is the harder one."
        ),
    }


def _idle(settings: Settings) -> dict[str, str]:
    idle = settings.idle
    return {
        "idle": (
            f"On every observed day of the last {idle.days} (at least {idle.least_days}): mean CPU at most "
            f"{idle.cpu_percent:g} %, network at most {idle.network_mb:g} MB a day, disk at most "
            f"{idle.disk_io_mb_s:g} MB/s, as far as these are measured; the basis names what was. Zombie: idle, and "
            "the inventory names no owner."
        ),
    }


def _money(settings: Settings, actions: ActionsSummary) -> dict[str, str]:
    if not actions.currency:
        return {"prices": "No price is known for any of these servers: sizes only, no money."}
    named = "; ".join(f"{name} ({number:,})" for name, number in actions.price_sources.items())
    discount = ""
    if actions.discount != "none":
        word = actions.discount.replace("_", " ")
        discount = f" After discount: list prices times {actions.discount_factor:g} ({word})."
    return {
        "prices": (
            f"On-demand price per hour times 730, in {actions.currency}. Source and date, and servers it priced: "
            f"{named or 'none'}. Servers without a price are in no sum; each says why.{discount}"
        ),
        "savings range": (
            "For each sample path the cheapest safe size of every server; the range holds the 10 % and the 90 % "
            "quantile of the sum over servers. The sizes advised must hold on nearly all paths, so their saving may "
            "be smaller than the range. A change below 0 is a saving."
        ),
    }


def _packing(settings: Settings) -> dict[str, str]:
    rule = settings.consolidation
    largest = "the largest" if rule.spare == 1 else f"the {rule.spare} largest"
    fits = f", and everything still fits with {largest} of them removed" if rule.spare else ""
    held = "week" if rule.held_out_weeks == 1 else f"{rule.held_out_weeks} weeks"
    return {
        "consolidation": (
            "Servers of one business unit, region and criticality, packed so that at every hour of the last "
            f"{rule.weeks} weeks the sum of their loads leaves {_percent(rule.headroom)} of each host free"
            f"{fits}. Needs hourly means or maxima: daily P95s do not add. Replayed: a "
            f"packing made without the last {held}, held against what came then. What it frees comes instead of "
            "smaller sizes, not on top of them."
        ),
    }


def _segments(settings: Settings) -> dict[str, str]:
    return {
        "segment": (
            f"Servers that were used alike in the last {settings.segments.window_days} days (k-means on scaled "
            "features, as many segments as separate best), named by their median server. Silhouette: 1 is clearly "
            "apart from the others, 0 touches them."
        ),
    }


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
