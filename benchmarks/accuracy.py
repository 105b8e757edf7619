"""Accuracy on real telemetry beside the peers': relative MAE against seasonal naive, by horizon and data set.

    python benchmarks/accuracy.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py
    python benchmarks/accuracy.py ... --unseen                        series that the protocol does not draw
    python benchmarks/accuracy.py ... --windows 1 --peers none --dry  a quick look at ours alone
    python benchmarks/accuracy.py --seed ../shared/data/seed/daily_120x1461.parquet

The protocol file chooses series and windows (`cases`). The engine is trained and asked once per data set, calendar and
window. Peers come from the cache; what is not there is made by .venv-peers (`make peers`), which takes an hour the
first time (`--cached` leaves such peers out). A whole run writes its section of RESULTS.md. Data that is not there is
skipped with a message.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import peer_cache
import real_cases
import scoring
from accuracy_section import HORIZONS, Trial, section
from results import write_section
from scoring import OURS, note

from capforecast.forecast.holdout import holdout
from capforecast.schema import Cadence
from capforecast.settings import Settings

WINDOWS = 3
UNSEEN_SERIES = 40


def run(found: Sequence[real_cases.Case], what: str, options: argparse.Namespace) -> Trial:
    """Forecasts of all models, scored."""
    cadence, horizon, peers = found[0].cadence, len(found[0].actual), peer_cache.named(options.peers)
    note(f"{cadence} {horizon}, {what}: {len(found)} forecasts of ours")
    made = {OURS: scoring.ours(found)}
    note(f"{cadence} {horizon}: peers")
    requests = [case.request for case in found]
    made |= peer_cache.forecasts(requests, peers, str(cadence), horizon, options.cache, make=not options.cached)
    left_out = tuple(peer for peer in peers if peer not in made)
    return Trial(cadence, horizon, scoring.with_hindsight(scoring.score(found, made)), what, left_out)


def measure_seed(path: Path) -> None:
    """Print MAE on the reference fleet: train to the end of 2023, one forecast of 731 days."""
    rows = pd.read_parquet(path)
    wide = rows.pivot(index="timestamp", columns="server_id", values="cpu_p95")
    stamps, names = pd.DatetimeIndex(wide.index), list(wide.columns)
    panel = real_cases.panel_of(wide.to_numpy(), stamps, names, ["cpu"] * wide.shape[1])
    table = holdout(panel, pd.Timestamp("2023-12-31", tz="UTC"), 731, Settings())
    whole = table[table["bucket"] == "all"]
    mean = (whole["mae"] * whole["points"]).sum() / whole["points"].sum()
    print(
        f"\nreference fleet, cpu_p95, 731 days: MAE {mean:.3f} over all points, {whole['mae'].mean():.3f} mean over "
        f"series; coverage {100 * whole['coverage_80'].mean():.1f} / {100 * whole['coverage_95'].mean():.1f} %"
    )


def found_cases(
    protocol: ModuleType, options: argparse.Namespace, cadence: Cadence, horizon: int
) -> tuple[list[real_cases.Case], str]:
    """Cases of one cadence and horizon, and what they are in words."""
    windows = range(options.window, options.window + options.windows)
    if not options.unseen:
        found = real_cases.cases(protocol, options.data, cadence, horizon, windows, options.cap)
        return found, _words(windows)
    found = real_cases.unseen(protocol, options.data, cadence, horizon, windows, options.unseen)
    if found:
        return found, f"at most {options.unseen} undrawn series per data set by hash, {_words(windows)}"
    later = range(windows[-1] + 1, windows[-1] + 1 + options.windows)
    found = real_cases.cases(protocol, options.data, cadence, horizon, later, options.cap)
    return found, f"the protocol draws every series, so earlier ones stand in: {_words(later)}"


def _words(windows: Sequence[int]) -> str:
    return f"windows {', '.join(map(str, windows))}, as history allows"


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, help="folder of <name>__daily.parquet and <name>__hourly.parquet")
    parser.add_argument("--protocol", type=Path, help="Python file with the accuracy protocol")
    parser.add_argument("--cadence", choices=[str(c) for c in Cadence], help="one cadence only")
    parser.add_argument("--horizon", type=int, help="one horizon only, in periods")
    parser.add_argument("--window", type=int, default=0, help="first test window, 0 = the last of the data")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="how many windows")
    parser.add_argument("--cap", type=int, help="at most so many series per data set")
    parser.add_argument("--unseen", type=int, nargs="?", const=UNSEEN_SERIES, help="so many undrawn series of each")
    parser.add_argument("--peers", default=",".join(peer_cache.PACKAGES), help="comma-separated; none = ours alone")
    parser.add_argument("--cached", action="store_true", help="leave out peers whose forecasts are not all cached")
    parser.add_argument("--cache", type=Path, default=peer_cache.CACHE, help="folder of the peers' forecasts")
    parser.add_argument("--seed", type=Path, help="reference fleet: one hold-out of 731 days on cpu_p95")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    if options.data is None and options.seed is None:
        parser.error("give a data folder, --seed, or both")
    return options


def trials(options: argparse.Namespace) -> list[Trial]:
    """Every cadence and horizon asked for; unseen series at the longer horizon only."""
    protocol = real_cases.load_protocol(options.protocol)
    out = []
    for cadence in (c for c in Cadence if options.cadence in (None, str(c))):
        every = HORIZONS[cadence][:1] if options.unseen else HORIZONS[cadence]
        for horizon in (options.horizon,) if options.horizon else every:
            found, what = found_cases(protocol, options, cadence, horizon)
            if found:
                out.append(run(found, what, options))
            else:
                print(f"{cadence}: skipped, no series of that cadence below {options.data}")
    return out


def whole(options: argparse.Namespace) -> bool:
    """Was nothing left out?"""
    narrowed = options.cadence or options.horizon or options.window or options.cap
    usual = options.windows == WINDOWS and options.unseen in (None, UNSEEN_SERIES)
    return not narrowed and usual and peer_cache.named(options.peers) == list(peer_cache.PACKAGES)


def main() -> None:
    """Measure, print, and write the section when nothing was left out."""
    options = arguments()
    if options.seed is not None and not options.seed.exists():
        print(f"skipped: {options.seed} is not there")
    elif options.seed is not None:
        measure_seed(options.seed)
    if options.data is None:
        return
    for path, what in ((options.data, "data folder"), (options.protocol, "--protocol file")):
        if path is None or not path.exists():
            print(f"skipped: {what} {path} is not there")
            return
    series = "unseen" if options.unseen else "shared"
    body = section(trials(options), series)
    print(body)
    if options.dry or not whole(options):
        note("not written to RESULTS.md: " + ("dry" if options.dry else "not the whole run"))
    else:
        write_section("accuracy" if series == "shared" else "accuracy-unseen", body)


if __name__ == "__main__":
    main()
