"""Does advice keep its promise, what slack does it cut, and what does it cost to make? Promised beside achieved.

    python benchmarks/actions.py --bitbrains ../shared/data/fleet_bitbrains --seed ../shared/data/seed
    python benchmarks/actions.py --fleets 1 --servers 300 --size 1000 --dry       a quick look, printed only

Synthetic fleets, whose demand is known, are cut at past dates: trained, judged, sized, and the rule replayed, all by
what was known by then. Smaller sizes that the tested bound lets pass are held against the 90 days that followed. Twice:
with instance types, whose sizes double, and without, in vCPU and GiB, whose sizes are closer to what is needed.
Then 10,000 servers for time and memory, and whole runs on the Bitbrains and the reference fleets.
Each part writes its own section of RESULTS.md: `actions-promise`, `actions-cost`, `actions-runs`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import action_speed
import pandas as pd
from action_cases import cases
from action_fleets import fleet_table
from action_tables import by_replay, outcomes, promise_table, promise_targets, slack_table, stratum_table
from page import table, target, targets
from results import setting, write_section
from scoring import note

from capforecast.settings import Settings

FLEETS, SERVERS = 4, 600
BACK = (90, 270, 450)  # days before the end at which fleets are cut

INTRODUCTION = (
    "Fleets of other seeds, each cut 90, 270 and 450 days before its end; half of them as the generator makes them,",
    "half with every server one size up. **Promised**: share of days above 100 % of the new size, CPU or memory, at",
    "most `sizing.exceedance_limit`. **Limit stated**: 95 % upper limit of the share of days above what the rule said",
    "is needed, headroom included, by replay at past origins, per stratum; where it is above the promise, advice is",
    "withheld. **Achieved**: in the 90 days that followed. A replay is a stratum of a fleet at a date. **Slack**: paid",
    "less used, of those advised; beside it what sizes of any number of units would have cut: those that the rule says",
    "are needed, and in hindsight those that hold the largest use of the time with the same headroom. **Careless**: a",
    "rule that ought to fail its test, the median of the peaks without headroom, in vCPU and GiB.",
)


SLACK = (
    "Where servers are used as well as in the fleets as made, steps of vCPU and GiB do not cut half: what is needed",
    "would, the next step up takes the rest. Finer steps made more servers smaller, each by less (tried on one fleet).",
)


def promise(options: argparse.Namespace) -> str:
    """Section on synthetic fleets: promised and achieved, and slack."""
    rules = Settings().sizing
    seeds = range(1, options.fleets + 1)  # every second fleet is a roomy one
    every = chain.from_iterable(cases(options.servers, seed, BACK, roomy=seed % 2 == 0) for seed in seeds)
    found = pd.concat([outcomes(case, rules) for case in every], ignore_index=True)
    replays = by_replay(found)
    lines = [*targets(promise_targets(found, replays, rules.exceedance_limit)), "", *INTRODUCTION, ""]
    lines += ["### Promised and achieved", "", *promise_table(found, replays, rules.exceedance_limit), ""]
    lines += [*stratum_table(replays), "", "### Slack of the downsized", "", *SLACK, "", *slack_table(found)]
    return page_of("Actions: promised and achieved", "promise", lines)


def cost(options: argparse.Namespace) -> str:
    """Section on time and memory."""
    note("cost")
    found = action_speed.measured(options.size)
    wall, gib, load = sum(found["wall"].values()), found["all"]["gib"], found["all"]["load"]
    measured = f"{wall:.1f} s ({sum(found['cpu'].values()):.1f} s CPU), {gib:.2f} GiB; load average {load:.0f}"
    met = within(wall, gib, load) if options.size == action_speed.SERVERS else None
    words = f"{options.size:,} servers: segments + right-sizing + consolidation"
    words += f" <= {action_speed.SECONDS:.0f} s and {action_speed.GIB:.0f} GiB"
    parts = [[part, f"{seconds:.1f}", f"{found['cpu'][part]:.1f}"] for part, seconds in found["wall"].items()]
    lines = [*targets([target(words, measured, met)]), "", *COST, "", *table(["part", "wall, s", "CPU, s"], parts)]
    return page_of("Actions: cost", "cost", lines)


def within(wall: float, gib: float, load: float) -> bool | None:
    """Is the target of cost met; None where it was not, by the clock alone, and others kept the cores busy."""
    if gib > action_speed.GIB:
        return False
    slow = wall > action_speed.SECONDS
    return None if slow and load > (os.cpu_count() or 1) else not slow


COST = (
    "Daily input, 1,095 days, with made-up forecasts and error paths; four weeks of hours for consolidation. Segments",
    "twice (now, and before the replays, under bounds), and both kinds of consolidation are counted. Where others kept",
    "the cores busy (load average above their number), the clock is no verdict: CPU seconds tell more.",
)


def whole_runs(options: argparse.Namespace) -> str:
    """Section on whole runs."""
    lines = [*RUNS, "", *fleet_table(options.bitbrains, options.seed)]
    more = " --bitbrains ../shared/data/fleet_bitbrains --seed ../shared/data/seed"
    return page_of("Actions: whole runs", "runs" + more, lines)


RUNS = (
    "`capforecast run` as a user calls it. Bitbrains has three months of history and no instance types; the reference",
    "fleets have no sizes at all and are sized in shares of what they have. Limit: of the worse resource, all servers.",
)
PARTS: dict[str, Callable[[argparse.Namespace], str]] = {"cost": cost, "runs": whole_runs, "promise": promise}


def page_of(title: str, options: str, lines: list[str]) -> str:
    """A section with the command that made it."""
    command = f"OMP_NUM_THREADS=1 .venv/bin/python benchmarks/actions.py --parts {options}"
    return "\n".join([f"## {title}", "", "```", command, "```", "", setting(), "", *lines])


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="what to measure")
    parser.add_argument("--bitbrains", type=Path, help="folder of the Bitbrains fleet")
    parser.add_argument("--seed", type=Path, help="folder of the reference fleets")
    parser.add_argument("--fleets", type=int, default=FLEETS, help="synthetic fleets")
    parser.add_argument("--servers", type=int, default=SERVERS, help="servers of a synthetic fleet")
    parser.add_argument("--size", type=int, default=action_speed.SERVERS, help="servers of the measurement of cost")
    parser.add_argument("--dry", action="store_true", help="print only")
    return parser.parse_args()


def main() -> None:
    """Measure and print parts, and write the section of each whose size is the usual one."""
    options = arguments()
    there = all(path is not None and path.exists() for path in (options.bitbrains, options.seed))
    whole = {
        "cost": options.size == action_speed.SERVERS, "runs": there,
        "promise": (options.fleets, options.servers) == (FLEETS, SERVERS),
    }  # fmt: skip
    for name, part in PARTS.items():  # cost first: a small process has a small child
        if name not in options.parts:
            continue
        if name == "runs" and not there:
            note("runs skipped: a folder of --bitbrains or --seed is not there")
            continue
        text = part(options)
        print(text, flush=True)
        if options.dry or not whole[name]:
            note(f"{name}: not written to RESULTS.md: " + ("dry" if options.dry else "not the usual size"))
        else:
            write_section(f"actions-{name}", text)


if __name__ == "__main__":
    main()
