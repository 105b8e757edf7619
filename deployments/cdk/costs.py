"""What the stages prod and dev cost a month at 1,000, 10,000 and 100,000 servers: python -m deployments.cdk.costs

Prints the tables of docs/aws.md (a test compares). Quantities come from cdk.json and from what was measured
(benchmarks/RESULTS.md); prices are on-demand list prices of us-east-1 in USD, without free tiers, discounts and taxes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLEETS = (1_000, 10_000, 100_000)
HOURS = 730  # of a month
FILE = Path(__file__).parent / "cdk.json"

# USD, what for, where it was seen (pages of 2024 to 2026, read 2026-11-28); "-" = from memory, in no page read that day
PRICES = {
    "fargate vCPU": (0.04048, "h", "vantage.sh/blog/fargate-pricing; cloudburn.io, April 2026"),
    "fargate GB": (0.004445, "h", "the same"),
    "lambda": (0.0000166667, "GB-s", "cloudchipr.com/blog/aws-lambda-pricing, 2024 (x86, first tier)"),
    "rds t4g.micro": (0.016, "h", "infratally.com, 2026 (PostgreSQL, one zone; two zones twice that)"),
    "rds t4g.small": (0.032, "h", "the same"),
    "rds gp3": (0.115, "GB-month", "usage.ai, June 2026 (one zone; two zones twice that)"),
    "nat": (0.045, "h", "basavytix.com/blog/aws-nat-gateway-pricing; cloudburn.io, February 2026"),
    "nat GB": (0.045, "GB", "the same"),
    "public address": (0.005, "h", "cloudburn.io/blog/aws-nat-gateway-pricing, February 2026"),
    "s3 write": (0.005 / 1000, "request", "cloudoptimo.com/blog/a-look-into-aws-s3-pricing-models"),
    "s3 read": (0.0004 / 1000, "request", "the same"),
    "s3": (0.023, "GB-month", "-"),
    "athena": (5 / 1000, "GB read", "-"),
    "logs": (0.50, "GB", "factualminds.com, June 2026"),
    "metric": (0.30, "month", "signoz.io/guides/cloudwatch-pricing, February 2026"),
    "alarm": (0.10, "month", "-"),
    "secret": (0.40, "month", "-"),
    "key": (1.00, "month", "-"),
    "registry": (0.10, "GB-month", "-"),
    "private zone": (0.50, "month", "-"),
}

# Measured at 10,000 servers x 5 metrics (benchmarks/RESULTS.md; the lake: one run of 2026-11-28)
RUN_SECONDS = 121 / 10_000  # a whole run on two cores, per server; four vCPUs of Fargate are two cores
START_SECONDS = 120  # of a task: fetching the image, starting Python. Assumed
RUN_GB = 0.35 / 10_000  # what a run adds to the lake, per server, raw observations apart
RAW_GB = 0.08 / 10_000  # observations of three years, per server; there once
RUN_WRITES, RUN_READS = 300, 3_000  # objects of a run's lake; ten reads for each, assumed
RUN_CPUS = 4
CALL_SECONDS = 3.5 / 200  # a call of the function, per server, on one core: two of Lambda's vCPUs, which it gives
CALL_MIB = 3538  # to this memory; fewer take longer in proportion
FORECASTS_GB = 0.098 / 10_000  # of one cut-off, per server: what a question to Athena reads
# Assumed
RUNS = 30 + 52 / 12  # a month: daily, and weekly
QUESTIONS = 440  # to Athena a month: twenty a working day
MONTHS = 12  # how long everything has been kept
CALLED_MOST = 900  # seconds a call may take


@dataclass(frozen=True)
class Line:
    """What is paid for. cost: USD a month for so many servers; None = it does not do that many."""

    what: str
    arithmetic: str
    cost: Callable[[int], float | None]


def price(name: str) -> float:
    """USD for one unit."""
    return PRICES[name][0]


def fixed(stage: dict[str, Any]) -> list[Line]:
    """What is paid whether or not anything is forecast."""
    zones = 2 if stage["database_multi_az"] else 1
    database = f"rds {stage['database_class']}"
    task = price("fargate vCPU") * 1.5 + price("fargate GB") * 3
    addresses = stage["nat_gateways"] or 1 + stage["workers"]
    made = {
        ("Prefect server and worker",
            f"(1.5 vCPU x {price('fargate vCPU')} + 3 GB x {price('fargate GB')}) x {HOURS} h"): task * HOURS,
        ("Postgres", f"{zones} x ({price(database)} x {HOURS} h + 20 GB x {price('rds gp3')})"):
            zones * (price(database) * HOURS + 20 * price("rds gp3")),
        ("NAT gateways", f"{stage['nat_gateways']} x ({price('nat')} x {HOURS} h + 5 GB x {price('nat GB')})"):
            stage["nat_gateways"] * (price("nat") * HOURS + 5 * price("nat GB")),
        ("public addresses", f"{addresses} x {price('public address')} x {HOURS} h"):
            addresses * price("public address") * HOURS,
        ("alarms, secrets, key, zone", "9 alarms, 2 secrets, 1 key, 1 private zone"
            if stage["customer_key"] else "9 alarms, 2 secrets, 1 private zone"):
            9 * price("alarm") + 2 * price("secret") + price("key") * stage["customer_key"] + price("private zone"),
        ("Container Insights", f"30 metrics x {price('metric')}, assumed" if stage["retain"] else "off"):
            30 * price("metric") * stage["retain"],
        ("images", f"10 GB x {price('registry')}"): 10 * price("registry"),
    }  # fmt: skip
    return [Line(what, how, lambda _, cost=cost: cost) for (what, how), cost in made.items()]  # type: ignore[misc]


def by_fleet(stage: dict[str, Any]) -> list[Line]:
    """What grows with the servers."""
    cpu, memory = stage["run_cpu"] / 1024, stage["run_memory_mib"] / 1024
    hour = cpu * price("fargate vCPU") + memory * price("fargate GB")
    gigabytes = stage["function_memory_mib"] / 1024
    run, call = RUN_SECONDS * RUN_CPUS / cpu, CALL_SECONDS * max(1.0, CALL_MIB / stage["function_memory_mib"])

    def calls(servers: int) -> float | None:
        seconds = call * servers
        return None if seconds > CALLED_MOST else 30 * seconds * gigabytes * price("lambda")

    return [
        Line("runs of Prefect",
             f"{RUNS:.1f} x ({START_SECONDS} s + {1000 * run:.1f} s per 1,000 servers) "
             f"x {cpu:g} vCPU, {memory:g} GB",
             lambda n: RUNS * (START_SECONDS + run * n) / 3600 * hour),
        Line("the function, daily",
             f"30 x {1000 * call:.1f} s per 1,000 servers x {gigabytes:.2f} GB x {price('lambda')}", calls),
        Line("the lake after a year",
             f"({RUNS * MONTHS:.0f} runs x {1000 * RUN_GB:.3f} GB + {1000 * RAW_GB:.3f} GB) "
             f"per 1,000 servers x {price('s3')}",
             lambda n: n * (RUNS * MONTHS * RUN_GB + RAW_GB) * price("s3")),
        Line("requests to S3", f"{RUNS:.1f} x ({RUN_WRITES} writes + {RUN_READS:,} reads)",
             lambda n: RUNS * (RUN_WRITES * price("s3 write") + RUN_READS * price("s3 read"))),
        Line("Athena",
             f"{QUESTIONS} questions x {1000 * FORECASTS_GB:.4f} GB per 1,000 servers x {price('athena'):.5f}",
             lambda n: QUESTIONS * max(FORECASTS_GB * n, 10 / 1000) * price("athena")),
        Line("logs", f"0.1 GB + 0.02 GB per 1,000 servers, assumed, x {price('logs')}",
             lambda n: (0.1 + 0.02 * n / 1000) * price("logs")),
    ]  # fmt: skip


def table(stage: dict[str, Any]) -> str:
    """The lines and their sum, as a table of Markdown."""
    head = "| USD a month | how | " + " | ".join(f"{each:,} servers" for each in FLEETS) + " |"
    rows = [head, "|---|---|" + "---:|" * len(FLEETS)]
    sums = [0.0] * len(FLEETS)
    for line in [*fixed(stage), *by_fleet(stage)]:
        costs = [line.cost(each) for each in FLEETS]
        sums = [have + (cost or 0.0) for have, cost in zip(sums, costs, strict=True)]
        shown = ["too many" if cost is None else f"{cost:,.2f}" for cost in costs]
        rows.append(f"| {line.what} | {line.arithmetic} | {' | '.join(shown)} |")
    rows.append("| **sum** | | " + " | ".join(f"**{each:,.0f}**" for each in sums) + " |")
    return "\n".join(rows)


def prices() -> str:
    """The prices and where they were seen."""
    rows = [f"| {name} | {usd:.10g} | {unit} | {seen} |" for name, (usd, unit, seen) in PRICES.items()]
    return "\n".join(["| price | USD | per | seen at |", "|---|---:|---|---|", *rows])


def page() -> str:
    """What docs/aws.md shows between its two marks."""
    stages = json.loads(FILE.read_text())["context"]["stages"]
    return f"**prod**\n\n{table(stages['prod'])}\n\n**dev**\n\n{table(stages['dev'])}\n\n{prices()}\n"


if __name__ == "__main__":
    print(page())
