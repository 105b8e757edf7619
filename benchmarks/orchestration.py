"""What Prefect costs beyond the work: a whole run, a business unit inside it, one as a flow run of its own, a repeat.

    python benchmarks/orchestration.py                      writes its section of RESULTS.md (about 15 minutes)
    python benchmarks/orchestration.py --servers 2000 --dry   a smaller large fleet; printed only

A Prefect server (SQLite) and a worker of its own, on loopback, warm. Beyond the work: the run's time less the seconds
its stages noted; the large run works on one business unit at a time, or stages would overlap.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from page import table, target, targets
from prefect_server import PROGRAMS, Server
from results import setting, write_section

SHARE, INLINE_SECONDS, CHILD_SECONDS, DEMO_SECONDS, REPEAT_SHARE = 0.05, 5.0, 20.0, 30.0, 0.10
ONE_AT_A_TIME = {"flow.concurrent_units": 1, "report.per_business_unit": False}


@dataclass(frozen=True)
class Run:
    """A run that ended: its seconds as Prefect counts them, those of the command, and the seconds of its stages."""

    flow: float
    command: float
    stages: dict[str, float]  # `stage:business unit` -> seconds

    @property
    def beyond(self) -> float:
        """Seconds that were no stage's work."""
        return self.flow - sum(self.stages.values())


def fleet(folder: Path, servers: int, days: int) -> Path:
    """Generate a fleet."""
    command = [PROGRAMS / "capforecast", "generate-data", "--output", folder]
    subprocess.run([*command, "--servers", str(servers), "--days", str(days)], check=True, capture_output=True)
    return folder


def run(server: Server, source: Path, lake: Path, **settings: Any) -> Run:
    """`capforecast run` with settings from the environment."""
    given = {f"CAPFORECAST_{name.upper().replace('.', '__')}": str(value) for name, value in settings.items()}
    command = [PROGRAMS / "capforecast", "run", "--source", source / "observations.parquet", "--inventory"]
    command += [source / "inventory.csv", "--store", lake, "--json"]
    done = subprocess.run(
        command, env=os.environ | server.variables | given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    made = json.loads(done.stdout)
    flow = server.get(f"flow_runs/{made['run_id']}")["total_run_time"]
    return Run(flow, made["seconds"], stages_of(lake, made["run_id"], made["attempt"]))


def stages_of(lake: Path, run_id: str, attempt: int) -> dict[str, float]:
    """Seconds of every stage that was executed."""
    notes = [json.loads(file.read_text()) for file in (lake / f"runs/{run_id}/attempt={attempt}/executed").glob("*")]
    return {f"{note['stage']}:{note['business_unit']}": float(note["seconds"]) for note in notes}


def children(server: Server, source: Path, lake: Path) -> list[float]:
    """Seconds beyond its work of each business unit that is a flow run of its own, from asked to ended."""
    with server.worker("flows/children.py:business_unit_child", "business-unit"):
        settings = ONE_AT_A_TIME | {"flow.fan_out": "deployment", "forecast.horizon_days": 14}
        made = run(server, source, lake, **settings)
    spent = []
    for child in server.post("flow_runs/filter", {"flows": {"name": {"any_": ["business-unit-run"]}}}):
        if not child["deployment_id"]:
            continue
        unit = child["parameters"]["business_unit"]
        work = sum(seconds for name, seconds in made.stages.items() if name.endswith(f":{unit}"))
        spent.append(server.seconds(child["expected_start_time"], child["end_time"]) - work)
    return spent


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=10_000, help="of the large fleet")
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Server(Path(name) / "prefect") as server:
        home = Path(name)
        small = fleet(home / "small", 16, 220)
        run(server, small, home / "warm")  # kernels compiled, server warm
        demo = run(server, fleet(home / "demo", 48, 730), home / "demo-lake")
        inline = run(server, small, home / "inline", **ONE_AT_A_TIME)
        child = children(server, small, home / "children")
        large = fleet(home / "large", given.servers, 400)
        first = run(server, large, home / "lake", **ONE_AT_A_TIME)
        again = run(server, large, home / "lake", **ONE_AT_A_TIME)
    units = len({name.split(":")[1] for name in inline.stages} - {"_fleet"})
    share, each, worst = first.beyond / first.flow, inline.beyond / units, max(child)
    repeat = again.command / first.command
    rows = [
        target(
            f"orchestration <= {SHARE:.0%} of wall at {given.servers:,} servers",
            f"{share:.1%} ({first.beyond:.1f} of {first.flow:.0f} s)", share <= SHARE,
        ),
        target(f"<= {INLINE_SECONDS:.0f} s per inline business unit", f"{each:.1f} s", each <= INLINE_SECONDS),
        target(
            f"<= {CHILD_SECONDS:.0f} s per deployment child",
            f"{sum(child) / len(child):.1f} s, most {worst:.1f} s", worst <= CHILD_SECONDS,
        ),
        target(
            f"demo with a warm server <= {DEMO_SECONDS:.0f} s", f"{demo.command:.1f} s", demo.command <= DEMO_SECONDS
        ),
        target(
            f"a repeat with unchanged inputs <= {REPEAT_SHARE:.0%} of the first",
            f"{repeat:.1%} ({again.command:.1f} of {first.command:.0f} s)", repeat <= REPEAT_SHARE,
        ),
    ]  # fmt: skip
    longest = sorted(again.stages.items(), key=lambda item: -item[1])[:6]
    body = "\n".join(
        [
            "## Orchestration", "", "```", "python benchmarks/orchestration.py", "```", "", setting(), "",
            *targets(rows), "",
            "Inline and large: everything that is no stage's work, tables for the UI and the fleet's part included, "
            "one unit at a time. Child: from asked to ended, less its stages. The repeat's longest stages, of "
            f"{again.flow:.1f} s:",
            "", *table(["stage", "s"], [[stage, f"{seconds:.1f}"] for stage, seconds in longest]), "",
        ]
    )  # fmt: skip
    print(body)
    if not given.dry:
        write_section("orchestration", body)


if __name__ == "__main__":
    main()
