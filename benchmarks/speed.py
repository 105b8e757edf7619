"""Speed: CPU per series of the whole forecasting job, ours beside other people's methods, in one run on one thread.

    python benchmarks/speed.py                        daily and hourly; about ten minutes
    python benchmarks/speed.py --quick --dry          few series, one repetition, printed only

The whole job: forecasts at every past origin, choice, calibration, final forecast with intervals. Ours does it at once;
a peer needs a fit at each origin and one at the end. Its cost of a fit and forecast is measured at the oldest, middle
and newest origin and at the end, and counted as often as ours makes fits, in two ways: all as dear as the last one, and
each with the history its origin has. A peer's choice and calibration are not counted. Series are those of a synthetic
fleet. Each figure is the best of three; compilation and imports are not counted.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import peer_run
from results import setting, write_section
from synthetic_panels import fleet_panel

from capforecast.forecast import engine
from capforecast.schema import Cadence, Panel
from capforecast.settings import ForecastSettings, Settings

TARGETS = {"Prophet": 400, "prophet-batch": 60}
SERIES = {  # measured of each peer, cheap ones on more
    "Prophet": 12, "prophet-batch": 50, "MSTL": 12, "HoltWinters": 12, "AutoTheta": 12, "AutoETS": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A panel to time."""

    cadence: Cadence
    servers: int
    days: int
    points: int
    horizon: int

    def panel(self) -> Panel:
        """Its series, cut to the last `points`."""
        whole = fleet_panel(self.servers, self.days, self.cadence)
        return Panel(whole.values[-self.points :], whole.timestamps[-self.points :], whole.series, self.cadence)


CASES = {
    "daily": Case(Cadence.DAILY, 440, 1095, 1095, 90),
    "hourly": Case(Cadence.HOURLY, 220, 84, 2000, 168),
}


@dataclass(frozen=True)
class Ours:
    """Seconds of CPU per series, best of the runs; origins as counts of points, newest first."""

    train: float
    predict: float
    series: int
    origins: tuple[int, ...]

    @property
    def whole(self) -> float:
        return self.train + self.predict


def our_job(case: Case, repeats: int) -> Ours:
    """Time training and prediction of a whole panel."""
    panel, best, settings = case.panel(), (np.inf, np.inf), Settings(forecast=ForecastSettings(threads=1))
    few = panel.take(np.arange(len(panel.series)) < 64)
    engine.train(few, case.horizon, settings).model.predict(few)  # compiles
    for _ in range(repeats):
        began = time.process_time()
        trained = engine.train(panel, case.horizon, settings)
        between = time.process_time()
        trained.model.predict(panel)
        best = min(best, (between - began, time.process_time() - between), key=sum)
        print(f"  ours: {1000 * sum(best) / len(panel.series):.2f} ms per series", flush=True)
    paths = trained.model.errors
    most = np.isfinite(paths.errors).any(axis=1).mean(axis=1) > 0.5  # origins that most series were replayed at
    origins = tuple(int(place) + 1 for place in panel.timestamps.get_indexer(paths.origins[most]))
    return Ours(best[0] / len(panel.series), best[1] / len(panel.series), len(panel.series), origins)


def peer_jobs(case: Case, ours: Ours, repeats: int, share: float) -> dict[str, np.ndarray]:
    """Peer -> seconds of CPU of one fit and forecast, mean over series, at each of `cuts`."""
    panel = case.panel()
    drawn = np.random.default_rng(1).permutation(len(panel.series))[: max(SERIES.values())]
    cuts = [*sorted({ours.origins[-1], ours.origins[len(ours.origins) // 2], ours.origins[0]}), 0]
    asked: dict[str, dict[str, Any]] = {
        peer: {"series": max(int(share * count), 2), "repeats": repeats, "cuts": cuts} for peer, count in SERIES.items()
    }
    made = peer_run.run(panel.values[:, drawn], panel.timestamps[0], case.cadence, case.horizon, asked)
    return {peer: made[f"{peer}/cpu"].mean(axis=1) for peer in SERIES}


def lines(name: str, case: Case, ours: Ours, peers: dict[str, np.ndarray]) -> list[str]:
    """Heading and tables of one cadence."""
    count = len(ours.origins)
    head = [
        f"### {name.capitalize()}: {case.points:,} points, {case.horizon} ahead, {count} origins: {count + 1} fits",
        "",
        f"Ours: {ours.series:,} series at once, train {1000 * ours.train:.2f} ms + predict "
        f"{1000 * ours.predict:.2f} ms = **{1000 * ours.whole:.2f} ms** of CPU per series for the whole job.",
        "",
    ]
    if not peers:
        return [*head, "Peers: not run, .venv-peers is not there."]
    return [
        *head,
        f"| | one fit, whole history | {count + 1} such fits | ours : theirs | fits at each origin's history "
        "| ours : theirs | target |",
        "|---|---|---|---|---|---|---|",
        *(peer_line(peer, seconds, ours) for peer, seconds in peers.items()),
    ]


def peer_line(peer: str, seconds: np.ndarray, ours: Ours) -> str:
    """A line of the table, from the seconds at each cut."""
    count, target = len(ours.origins), TARGETS.get(peer)
    cells = [f"{1000 * seconds[-1]:,.0f} ms"]
    for job in ((count + 1) * seconds[-1], count * seconds[:-1].mean() + seconds[-1]):
        ratio = job / ours.whole
        met = "" if target is None else ", met" if ratio >= target else ", **not met**"
        cells += [f"{1000 * job:,.0f} ms", f"1 : {ratio:,.0f}{met}"]
    return f"| {peer} | {' | '.join(cells)} | {f'1 : {target}' if target else ''} |"


def section(names: list[str], repeats: int, share: float) -> str:
    """The page's section."""
    command = ".venv/bin/python benchmarks/speed.py" + ("" if share == 1 else " --quick")
    body = [
        *("## Speed", "", "```", command, "```", ""),
        "CPU per series on one thread, ours and theirs side by side in one run, best of "
        f"{repeats}; compilation and imports not counted. The whole job = forecasts at every past origin, choice, "
        "calibration, and the final forecast with intervals; of a peer, the fits and forecasts alone, measured at the "
        f"oldest, middle and newest origin and at the end. Synthetic fleet. {setting()}",
    ]
    for name in names:
        print(f"{name}:", flush=True)
        case = CASES[name] if share == 1 else Case(**{**CASES[name].__dict__, "servers": 60})
        ours = our_job(case, repeats)
        peers = peer_jobs(case, ours, repeats, share) if peer_run.there() else {}
        body += ["", *lines(name, case, ours, peers)]
    return "\n".join(body)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cadence", choices=list(CASES), help="one only (with --dry)")
    parser.add_argument("--quick", action="store_true", help="few series, one repetition")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    names = [options.cadence] if options.cadence else list(CASES)
    body = section(names, 1 if options.quick else 3, 0.25 if options.quick else 1)
    print(body)
    if not options.dry and not options.cadence and not options.quick:  # the page holds whole runs only
        write_section("speed", body)


if __name__ == "__main__":
    main()
