"""Does advice keep its promise, what slack does it cut, and what does it cost to make? Promised beside achieved.

    python benchmarks/actions.py --bitbrains ../shared/data/fleet_bitbrains --seed ../shared/data/seed
    python benchmarks/actions.py --fleets 1 --servers 300 --speed 1000 --dry      a quick look, printed only

Synthetic fleets, whose demand is known, are cut at past dates: trained, judged, sized, and the rule replayed, all by
what was known by then. Smaller sizes that the tested bound lets pass are held against the 90 days that followed. Twice:
with instance types, whose sizes double, and without, in vCPU and GiB, whose sizes are closer to what is needed.
Then 10,000 servers for time and memory, and whole runs on the Bitbrains and the reference fleets.
Writes the section `actions` of RESULTS.md when nothing was left out.
"""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

import action_speed
import pandas as pd
from action_cases import cases
from action_fleets import fleet_table
from action_tables import Rows, by_replay, outcomes, promise_table, promise_targets, slack_table, stratum_table
from page import table, target, targets
from results import setting, write_section
from scoring import note

from capforecast.settings import Settings

FLEETS, SERVERS = 6, 800
BACK = (90, 270, 450)  # days before the end at which fleets are cut


def speed_rows(servers: int) -> tuple[Rows, list[str]]:
    """Target row and table of what it costs."""
    note("speed")
    cost = action_speed.measured(servers)
    wall, gib = sum(cost["wall"].values()), cost["all"]["gib"]
    words = (
        f"{wall:.1f} s ({sum(cost['cpu'].values()):.1f} s CPU), {gib:.2f} GiB; load average {cost['all']['load']:.0f}"
    )
    met = wall <= action_speed.SECONDS and gib <= action_speed.GIB if servers == action_speed.SERVERS else None
    names = "segments + right-sizing + consolidation"
    row = target(
        f"{servers:,} servers: {names} <= {action_speed.SECONDS:.0f} s, {action_speed.GIB:.0f} GiB", words, met
    )
    parts = [[part, f"{seconds:.1f}", f"{cost['cpu'][part]:.1f}"] for part, seconds in cost["wall"].items()]
    return [row], table(["part", "wall, s", "CPU, s"], parts)


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


def section(found: pd.DataFrame, promised: float, speed: tuple[Rows, list[str]], fleets: list[str]) -> str:
    """The section of RESULTS.md."""
    replays = by_replay(found)
    command = "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/actions.py --bitbrains ../shared/data/fleet_bitbrains \\\n"
    command += "    --seed ../shared/data/seed"
    lines = ["## Actions", "", "```", command, "```", "", setting(), "", *INTRODUCTION, ""]
    lines += [*targets([*promise_targets(found, replays, promised), *speed[0]]), ""]
    lines += ["### Promised and achieved", "", *promise_table(found, replays, promised), ""]
    lines += [*stratum_table(replays), "", "### Slack of the downsized", "", *slack_table(found), ""]
    lines += ["### Cost", "", COST, "", *speed[1], ""]
    if not fleets:
        return "\n".join(lines)
    return "\n".join([*lines, "### Whole runs", "", *RUNS, "", *fleets])


COST = "Daily input, 1,095 days; hourly input of four weeks for consolidation. Both kinds of consolidation are counted."
RUNS = (
    "`capforecast run` as a user calls it. Bitbrains has three months of history and no instance types; the reference",
    "fleets have no sizes at all and are sized in shares of what they have. Limit: of the worse resource, all servers.",
)


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bitbrains", type=Path, help="folder of the Bitbrains fleet")
    parser.add_argument("--seed", type=Path, help="folder of the reference fleets")
    parser.add_argument("--fleets", type=int, default=FLEETS, help="synthetic fleets")
    parser.add_argument("--servers", type=int, default=SERVERS, help="servers of a synthetic fleet")
    parser.add_argument("--speed", type=int, default=action_speed.SERVERS, help="servers of the measurement of speed")
    parser.add_argument("--dry", action="store_true", help="print only")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the section when nothing was left out."""
    options, rules = arguments(), Settings().sizing
    there = all(path is not None and path.exists() for path in (options.bitbrains, options.seed))
    speed = speed_rows(options.speed)  # first: a small process has a small child
    fleets = fleet_table(options.bitbrains, options.seed) if there else []
    seeds = range(1, options.fleets + 1)  # every second fleet is a roomy one
    every = chain.from_iterable(cases(options.servers, seed, BACK, roomy=seed % 2 == 0) for seed in seeds)
    found = pd.concat([outcomes(case, rules) for case in every], ignore_index=True)
    text = section(found, rules.exceedance_limit, speed, fleets)
    print(text)
    sizes = options.fleets, options.servers, options.speed
    if options.dry or not there or sizes != (FLEETS, SERVERS, action_speed.SERVERS):
        note("not written to RESULTS.md: " + ("dry" if options.dry else "not the whole run"))
    else:
        write_section("actions", text)


if __name__ == "__main__":
    main()
