"""Do the warnings come true? Replayed on real data, the reference fleets and a synthetic fleet, beside today's rules.

    python benchmarks/warning_scores.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py \\
        --fleets ../shared/data/seed
    python benchmarks/warning_scores.py --dry                          the synthetic fleet and speed only, printed

Daily real data: the protocol's series, a threshold per series and origin at 1.05, 1.15 and 1.3 times the 95 % quantile
of what lay before it; breach = 3 of 7 days above. Each factor is a stratum: its own base rate is the reference of the
Brier skill. Writes the section `warnings` of RESULTS.md when nothing was left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import warning_cases
from page import table, target, targets
from results import setting, write_section
from scoring import note
from warning_cases import LATEST
from warning_speed import GIB, SECONDS, SERIES, measured
from warning_tables import beside, between, by_set, date_shares, fleet_rows, probabilities, share_at, skill_lead

from capforecast.risk import scorecard as rules
from capforecast.risk.scorecard import score
from capforecast.schema import Cadence
from capforecast.settings import Settings

SERVERS, DAYS = 400, 1300  # of the synthetic fleet
ENOUGH = 200  # events for a verdict
SHOWN = (7, 14, 30, 60, 90)
Rows = list[list[str]]


def real_targets(rows: pd.DataFrame, cases: pd.DataFrame) -> Rows:
    """Targets on the daily real data."""
    ours = fleet_rows(rows, rules.OURS)
    every = " / ".join(f"{ours.loc[h, 'calibration_error']:.3f}" for h in SHOWN)
    ratios = [ours.loc[h, "mean_probability"] / ours.loc[h, "base_rate"] for h in SHOWN]
    out = [
        target(f"at least {ENOUGH} events at every horizon", f"{ours['events'].min():,} at the fewest",
               bool((ours["events"] >= ENOUGH).all())),
        target("calibration error <= 0.05 at 7 / 14 / 30 / 60 / 90 d", every,
               bool((ours["calibration_error"] <= 0.05).all())),
        target("mean P / rate within 0.8 to 1.25", " / ".join(f"{value:.2f}" for value in ratios),
               all(0.8 <= value <= 1.25 for value in ratios)),
    ]  # fmt: skip
    for h, least in ((30, 0.20), (90, 0.22)):
        row = ours.loc[h]
        words = between(row["brier_skill"], row["skill_low"], row["skill_high"])
        out.append(target(f"Brier skill >= {least:.2f} at {h} d", words, row["brier_skill"] >= least))
    for h in (30, 90):
        lead = skill_lead(cases, h)
        out.append(target(f"skill above the one-number logistic's at {h} d (difference)", between(*lead), lead[0] > 0))
    for h, least, low in ((30, 1.25, 1.0), (90, 1.4, 1.2)):
        for rule in rules.LINES.values():
            row = fleet_rows(rows, rule).loc[h]
            words = f"recall >= {least} x {rule} at {h} d, lower bound > {low:g}"
            met = row["recall_ratio"] >= least and row["ratio_low"] > low
            out.append(target(words, between(row["recall_ratio"], row["ratio_low"], row["ratio_high"]), bool(met)))
    for h in (30, 90):
        row = fleet_rows(rows, rules.NEAR).loc[h]
        words = between(row["recall_ratio"], row["ratio_low"], row["ratio_high"])
        out.append(
            target(f"not worse than near threshold at {h} d: lower bound >= 0.9", words, row["ratio_low"] >= 0.9)
        )
    for name, _, shown, nominal, every_one, meant in date_shares(cases, 90):
        words = f"P(T <= {name} or 90 d) among all series within 0.05 of what was stated"
        out.append(target(words, f"{every_one}, stated {meant}", abs(float(every_one) - float(meant)) <= 0.05))
        words = f"P(T <= {name}) within 0.05 of {nominal} where the date is within 90 d"
        out.append(target(words, shown, abs(float(shown) - float(nominal)) <= 0.05))
    return out


def daily_real(options: argparse.Namespace) -> tuple[list[str], Rows]:
    """Lines and targets of the daily real data."""
    note("daily real data")
    cases = warning_cases.real(options.data, options.protocol, Cadence.DAILY)
    rows = score(cases, Settings()).rows
    ours = fleet_rows(rows, rules.OURS).iloc[-1]
    lines = [
        "### Daily real data", "",
        f"{ours['series']} series of {cases['business_unit'].nunique()} data sets, at most {LATEST['real']} origins "
        "each; thresholds 1.05, 1.15 and 1.3 times the 95 % quantile of what lay before the origin.", "",
        *probabilities(rows), "",
        *beside(rows, 30), "", *beside(rows, 90), "",
        "By data set (a season decides: reported, not promised):", "", *by_set(rows, (30, 90)), "",
        "Dates, of all cases with 90 d of outcome:", "",
        *table(["", "shown", "breached by then", "nominal", "all: breached by then or 90 d", "stated"],
               date_shares(cases, 90)), "",
    ]  # fmt: skip
    return lines, real_targets(rows, cases)


def hourly_real(options: argparse.Namespace) -> list[str]:
    """Lines of the hourly real data, judged by days."""
    note("hourly real data")
    cases = warning_cases.real(options.data, options.protocol, Cadence.HOURLY)
    rows = score(cases, Settings()).rows
    ours = fleet_rows(rows, rules.OURS).iloc[0]
    return [
        "### Hourly real data", "",
        f"{ours['series']} series, at most {LATEST['real']} origins each, 56 h apart, 7 d ahead (what 168 h support); "
        "thresholds as above, of the hours before the origin; days by their P95.", "",
        *probabilities(rows), "", *beside(rows, 7), "",
        *by_set(rows, (7,)), "",
    ]  # fmt: skip


def reference_fleets(options: argparse.Namespace) -> tuple[list[str], Rows]:
    """Lines and targets of the reference fleets."""
    lines, found = (
        ["### Reference fleets", "", "cpu_p95, 120 servers, 22 origins, thresholds 80 and 90, 3 of 7 days.", ""],
        [],
    )
    for path in sorted(options.fleets.glob("*.parquet")):
        note(path.stem)
        cases = warning_cases.reference(path)
        rows = score(cases, Settings()).rows
        for level, limit in (("high", 80), ("very_high", 90)):
            ours, line = (fleet_rows(rows, rule, level) for rule in (rules.OURS, rules.LINES[28]))
            name = f"{path.stem.split('_')[0]} {limit}"
            error, events = ours.loc[90, "calibration_error"], int(ours.loc[90, "events"])
            found.append(target(f"{name}: calibration error <= 0.08 at 90 d", f"{error:.3f}", error <= 0.08))
            ratio = line.loc[90, ["recall_ratio", "ratio_low", "ratio_high"]].to_numpy(dtype=float)
            met = None if events < ENOUGH else bool(ratio[0] >= 1.3)
            words = f"{name}: recall >= 1.3 x line 28 d at 90 d" + (
                "" if events >= ENOUGH else f" ({events} events: too few)"
            )
            found.append(target(words, between(*ratio), met))
            share, mine = share_at(cases, 90, rules.LINES[28], level)
            lines += [f"#### {name}", "", *probabilities(rows, level), "", *beside(rows, 90, level), "",
                      f"At the 28-day line's false alarms: share of the last 365 days above, as a ranking, recall "
                      f"{share:.2f}; ours {mine:.2f}.", ""]  # fmt: skip
    return lines, found


def synthetic_fleet(options: argparse.Namespace) -> tuple[list[str], Rows]:
    """Lines and targets of the synthetic fleet, whose breaches are known."""
    note("synthetic fleet")
    cases, checked, wrong = warning_cases.synthetic(options.servers, DAYS)
    rows = score(cases, Settings()).rows
    ours = fleet_rows(rows, rules.OURS)
    worst = ours["calibration_error"].max()
    events = " / ".join(f"{value:,}" for value in ours["events"])
    lines = [
        "### Synthetic fleet", "",
        f"{options.servers} generated servers, CPU, memory and disk, {DAYS:,} days, {ours.iloc[0]['origins']} origins. "
        f"First breaches of {checked:,} cases looked up in the fleet's truth: {wrong} differ "
        "(resized servers: their past is judged in percent of today's size).", "",
        *probabilities(rows), "", *beside(rows, 30), "", *beside(rows, 90), "",
    ]  # fmt: skip
    words = f"{worst:.3f} at worst; {events} events"
    return lines, [target("synthetic fleet: calibration error <= 0.03 at every horizon", words, worst <= 0.03)]


def speed(options: argparse.Namespace) -> Rows:
    """Target rows of the speed of breach, dates and tiers."""
    note("speed")
    cost = measured(options.series)
    words = f"{cost['wall']:.1f} s ({cost['cpu']:.1f} s CPU), {cost['gib']:.2f} GiB; "
    words += f"{options.series:,} series, load average {cost['load']:.0f}"
    met = cost["wall"] <= SECONDS and cost["gib"] <= GIB if options.series == SERIES else None
    return [target(f"breach, dates and tiers of {SERIES:,} series <= {SECONDS:.0f} s and {GIB:.0f} GiB", words, met)]


INTRODUCTION = (
    "At each past origin: what would have been said with what was known then, and what came. Event: a breach (3 of 7",
    "days above) within h days of a series not in breach. Brier skill: over the base rate of each stratum, known in",
    "hindsight. ECE: ten bins; floor: what perfect probabilities would show by chance. Our recall: with the cut-off",
    "moved to the rule's false alarms. False alarms: per 100 servers (here series) and month. [..]: 95 % of a",
    "bootstrap over servers, which covers neither a shared season nor the choice of data sets.",
)


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of <name>__daily.parquet and <name>__hourly.parquet")
    parser.add_argument("--protocol", type=Path, help="Python file with the accuracy protocol")
    parser.add_argument("--fleets", type=Path, help="folder of the reference fleets")
    parser.add_argument("--servers", type=int, default=SERVERS, help="servers of the synthetic fleet")
    parser.add_argument("--series", type=int, default=SERIES, help="series of the measurement of speed")
    parser.add_argument("--dry", action="store_true", help="print only")
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the section when nothing was left out."""
    options = arguments()
    there = all(path is not None and path.exists() for path in (options.data, options.protocol, options.fleets))
    lines: list[str] = []
    rows: Rows = []
    for part in (daily_real, reference_fleets) if there else ():
        more, found = part(options)
        lines, rows = lines + more, rows + found
    more, found = synthetic_fleet(options)
    lines, rows = lines + more, rows + found + speed(options)
    if there:
        lines += hourly_real(options)
    command = "OMP_NUM_THREADS=1 .venv/bin/python benchmarks/warning_scores.py ../shared/data/real \\\n"
    command += "    --protocol ../shared/bench/accuracy_protocol.py --fleets ../shared/data/seed"
    head = ["## Warnings", "", "```", command, "```", "", setting(), "", *INTRODUCTION, ""]
    text = "\n".join([*head, *targets(rows), "", *lines])
    print(text)
    if options.dry or not there or (options.servers, options.series) != (SERVERS, SERIES):
        note("not written to RESULTS.md: " + ("dry" if options.dry else "not the whole run"))
    else:
        write_section("warnings", text)


if __name__ == "__main__":
    main()
