"""Actions in words: sizes, money, and the answer in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from capforecast.actions.rightsize import AT_LIMIT
from capforecast.report.style import shorten
from capforecast.report.summary_actions import ActionsSummary, Advice, Consolidation, Realised, Saving
from capforecast.report.words import NBSP, NONE, count, is_missing, listed, number, plural

ACTION_NAMES = {"upsize": "larger", "downsize": "smaller", "stop": "stop", "": "not known"}
KIND_NAMES = {"upsize": "Larger sizes", "downsize": "Smaller sizes", "stop": "Stopped servers", "all": "All together"}
KIND_ORDER = tuple(KIND_NAMES)
RESOURCES = {"vcpu": "CPU", "memory_gib": "memory"}
PROPOSED = "proposed"
SIZES_ONLY = "No prices: sizes only."
MOST_SOURCES = 3  # of prices, named in a sentence
_VCPU, _GIB = "vCPU", "GiB"


def in_two(instance_type: str, vcpus: float | None, memory_gib: float | None) -> tuple[str, str]:
    """A size for two lines: its name, and what that holds; what it holds alone where it has no name."""
    amounts = size("", vcpus, memory_gib)
    return (instance_type, "" if amounts == NONE else amounts) if instance_type else (amounts, "")


def size(instance_type: str, vcpus: float | None, memory_gib: float | None) -> str:
    """`m6i.large (2 vCPU, 8 GiB)`, `2 vCPU, 8 GiB`; a dash where nothing is known."""
    units = [f"{_amount(value)}{NBSP}{unit}" for value, unit in ((vcpus, _VCPU), (memory_gib, _GIB)) if value]
    amounts = ", ".join(units)
    if not instance_type:
        return amounts or NONE
    return f"{instance_type} ({amounts})" if amounts else instance_type


def present(advice: Advice) -> str:
    """The size a server has."""
    return size(advice.instance_type, advice.vcpus, advice.memory_gib)


def advised(advice: Advice) -> str:
    """What it should become."""
    if advice.action == "stop":
        return "stop"
    known = size(advice.to_type, advice.to_vcpus, advice.to_memory_gib)
    return _shares(advice.to_cpu_share, advice.to_memory_share) or NONE if known == NONE else known


def needed(advice: Advice) -> str:
    """What it needs, headroom included."""
    both = ((advice.need_vcpus, _VCPU), (advice.need_memory_gib, _GIB))
    units = [f"{number(value)}{NBSP}{unit}" for value, unit in both if value is not None]
    text = ", ".join(units) or _shares(advice.need_cpu_share, advice.need_memory_share)
    return (f"at least {text}" if AT_LIMIT in advice.reason else text) if text else NONE


def advice_sentence(advice: Advice, currency: str) -> str:
    """The advice as one would say it; begins with the server."""
    what = "stop it" if advice.action == "stop" else f"from {present(advice)} to {advised(advice)}"
    if advice.action != "stop" and present(advice) == NONE:
        what = f"to {advised(advice)}"
    why = f" ({advice.idle_basis})" if advice.action == "stop" and advice.idle_basis else ""
    money = "" if advice.monthly_change is None else f"; {more_or_less(advice.monthly_change, currency)} a month"
    return f"{advice.server_id}: {what}{why}{money}"


def money(value: object, currency: str = "") -> str:
    """`USD 1,234`; below 10 with cents. A dash where there is none."""
    if is_missing(value):
        return NONE
    amount = abs(float(value))  # type: ignore[arg-type]
    sign = "−" if float(value) < 0 else ""  # type: ignore[arg-type]
    figures = number(amount, 0 if amount >= 10 or amount == 0 else 2)
    return f"{currency}{NBSP if currency else ''}{sign}{figures}"


def change(value: object) -> str:
    """A change with its sign: `+210`, `−1,380`."""
    text = money(value)
    return f"+{text}" if not is_missing(value) and float(value) > 0 else text  # type: ignore[arg-type]


def change_range(low: object, high: object) -> str:
    """`−1,600 to −900`; one figure where both ends are the same in print."""
    if is_missing(low) or is_missing(high):
        return NONE
    ends = change(low), change(high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def more_or_less(value: float, currency: str) -> str:
    """`USD 210 more`, `USD 1,380 less`."""
    return f"{money(abs(value), currency)} {'more' if value > 0 else 'less'}" if value else "at the same cost"


def answer(actions: ActionsSummary) -> str:
    """What to do, in one or two sentences. Spending is said as plainly as saving."""
    moves = [_move(actions, kind) for kind in ("upsize", "downsize", "stop")]
    said = [text for text in moves if text]
    withheld = actions.counts.get("withheld", 0)
    kept = f"advice for {plural(withheld, 'server')} is withheld" if withheld else ""
    if not said:
        return f"No other size is advised{': ' + kept if kept else ''}.{_other_remedies(actions.other_remedies)}"
    prices = "" if actions.currency else f" {SIZES_ONLY}"
    rest = f" {kept[:1].upper()}{kept[1:]}." if kept else ""
    rest += _other_remedies(actions.other_remedies)
    joined = "; ".join(said)
    whole = fleet_row(actions.savings, "all")
    if len(said) > 1 and whole is not None and whole.priced == whole.servers and whole.monthly_change is not None:
        joined += f"; in all {more_or_less(whole.monthly_change, whole.currency or actions.currency)} a month"
    return f"{joined[:1].upper()}{joined[1:]}.{prices}{rest}"


def priced_by(found: ActionsSummary) -> str:
    """Where prices come from, or that there are none."""
    if not found.currency:
        return SIZES_ONLY
    ranked = sorted(found.price_sources.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{shorten(name, 60)} ({count(servers)})" for name, servers in ranked[:MOST_SOURCES]]
    more = len(ranked) - len(named)
    sources = listed([*named, *([f"{count(more)} more"] if more > 0 else [])])
    absent = found.servers - found.priced
    text = f"On-demand prices of a month of 730 hours, in {found.currency}; source and servers: {sources or NONE}."
    return f"{text} {plural(absent, 'server')} without a price: in no sum." if absent else text


def whose_cost(actions: ActionsSummary) -> str:
    """Which servers `Cost now` and `Cost then` are of; "" where no price is known."""
    whole = fleet_row(actions.savings, "all")
    if whole is None or not whole.priced:
        return ""
    unpriced = whole.servers - whole.priced
    rest = f"; {plural(unpriced, 'server')} with such advice {'has' if unpriced == 1 else 'have'} no price"
    return (
        f"Cost of the {plural(whole.priced, 'server')} with another size or a stop advised{rest if unpriced else ''}."
    )


def _other_remedies(servers: Mapping[str, int]) -> str:
    """How many servers at risk no other size would help, by what they are at risk by."""
    if not servers:
        return ""
    by = ", ".join(f"{name} {count(number_of)}" for name, number_of in servers.items())
    total = sum(servers.values())
    return f" {plural(total, 'server')} at risk {'needs' if total == 1 else 'need'} another remedy than a size ({by})."


def _move(actions: ActionsSummary, kind: str) -> str:
    servers = actions.counts.get(kind, 0)
    if not servers:
        return ""
    verb = {"upsize": "need a larger size", "downsize": "can be smaller", "stop": "can be stopped"}[kind]
    if servers == 1:
        verb = verb.replace("need ", "needs ")
    text = f"{plural(servers, 'server')} {verb}"
    row = fleet_row(actions.savings, kind)
    if row is None or not row.priced or row.monthly_change is None:
        return f"{text} (not priced)" if actions.currency else text
    of = "" if row.priced == row.servers else f", {count(row.priced)} of them priced"
    return f"{text} ({more_or_less(row.monthly_change, row.currency or actions.currency)} a month{of})"


def fleet_row(savings: Sequence[Saving], kind: str) -> Saving | None:
    """The fleet's sum of a kind."""
    return next((row for row in savings if row.scope == "fleet" and row.kind == kind), None)


def followed(realised: Realised | None) -> str:
    """What followed advice brought beside what it promised; "" where none was followed."""
    if realised is None:
        return ""
    text = f"{plural(realised.servers, 'server')} {'shows' if realised.servers == 1 else 'show'} the size once advised"
    if realised.promised is None or realised.achieved is None:
        return f"{text}; what that promised or brought is not known."
    of = "" if realised.known == realised.servers else f" (of {count(realised.known)})"
    promised, achieved = (more_or_less(v, realised.currency) for v in (realised.promised, realised.achieved))
    return f"{text}: promised was {promised} a month, it came to {achieved}{of}."


def consolidation_answer(rows: Sequence[Consolidation]) -> str:
    """What packing would free, in one sentence; "" where nothing was looked at."""
    if not rows:
        return ""
    freed = [row for row in rows if row.freed and not row.reason]
    if not freed:
        reasons = sorted({plain_reason(row) for row in rows if row.reason})
        return f"Nothing is proposed: {listed(reasons)}." if len(reasons) == 1 else "Nothing is proposed."
    total = sum(row.freed or 0 for row in freed)
    priced = [row for row in freed if row.monthly_change is not None]
    cost = sum(row.monthly_change or 0.0 for row in priced)
    hosts = {row.onto.startswith("hosts") for row in freed}
    noun = "host" if hosts == {True} else "instance" if hosts == {False} else "host or instance"
    named = plural(total, noun) if total == 1 or len(hosts) == 1 else f"{count(total)} hosts and instances"
    text = f"{named} could go in {plural(len(freed), 'group')} of servers"
    if not priced:
        return f"{text}. {SIZES_ONLY}"
    of = "" if len(priced) == len(freed) else f", {count(len(priced))} of {count(len(freed))} groups priced"
    return f"{text} ({more_or_less(cost, priced[0].currency)} a month{of})."


def plain_reason(row: Consolidation) -> str:
    """Why nothing is said of a group, where that nothing is said stands beside it."""
    return row.reason.removeprefix("withheld: ")


def _shares(cpu: float | None, memory: float | None) -> str:
    """Of a server whose size is not known: what it should have of what it has now."""
    named = ((cpu, "CPU"), (memory, "memory"))
    return ", ".join(f"{share * 100:.0f}{NBSP}% of its {name}" for share, name in named if share is not None)


def _amount(value: float) -> str:
    return f"{value:,.4g}"
