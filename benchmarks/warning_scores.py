"""Do the warnings come true? Replayed on real data, the reference fleets and a synthetic fleet, beside today's rules.

    python benchmarks/warning_scores.py ../shared/data/real --protocol ../shared/bench/accuracy_protocol.py \\
        --seed-fleets ../shared/data/seed
    python benchmarks/warning_scores.py --dry                          the synthetic fleet only, printed

Daily real data: the protocol's series, a threshold per series and origin at 1.05, 1.15 and 1.3 times the 95 % quantile
of what lay before it; breach = 3 of 7 days above. Each factor is a stratum: its own base rate is the reference of the
Brier skill. Written to the section `warnings` of RESULTS.md when nothing was left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import real_cases

from capforecast.forecast import engine
from capforecast.risk.past_warnings import past_warnings
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]

FACTORS = (1.05, 1.15, 1.3)
ORIGINS = {Cadence.DAILY: 40, Cadence.HOURLY: 30}  # replayed; those spoken at are LATEST
LATEST = 18
LEAST = {Cadence.DAILY: 420, Cadence.HOURLY: 21 * 24}  # points before an origin whose quantile makes a threshold
HORIZON = {Cadence.DAILY: 90, Cadence.HOURLY: 168}
REAL = Settings(metrics={})  # units differ: no physical range


def with_origins(settings: Settings, cadence: Cadence) -> Settings:
    """The settings with as many past origins as a replay of the scorecard wants."""
    forecast = settings.forecast.model_copy(update={f"origins_{cadence}": ORIGINS[cadence]})
    return settings.model_copy(update={"forecast": forecast})


def protocol_panels(folder: Path, protocol: Path, cadence: Cadence) -> list[tuple[str, Panel]]:
    """The protocol's series as observed, gaps and all: a panel per data set and end."""
    rules = real_cases.load_protocol(protocol)
    found = real_cases.cases(rules, folder, cadence, HORIZON[cadence], [0])
    out = []
    for dataset in dict.fromkeys(case.dataset for case in found):
        frame = pd.read_parquet(folder / f"{dataset}__{cadence}.parquet").astype({"series_id": str, "metric": str})
        names = {case.series for case in found if case.dataset == dataset}
        frame["name"] = frame["series_id"] + "|" + frame["metric"]
        wide = frame[frame["name"].isin(names)].drop_duplicates(["name", "timestamp"])
        wide = wide.pivot(index="timestamp", columns="name", values="value").sort_index().asfreq(cadence.frequency)
        ends = wide.apply(lambda column: column.last_valid_index())
        for end, group in ends.groupby(ends):
            part = wide.loc[:end, group.index].dropna(how="all").asfreq(cadence.frequency)
            metrics = [name.split("|", 1)[1] for name in part]
            panel = real_cases.panel_of(part.to_numpy(), part.index, list(part), metrics)
            out.append((dataset, panel))
    return out


def thresholds_before(panel: Panel, rows: npt.NDArray[np.int64], least: int) -> Array:
    """FACTORS times the 95 % quantile of what lay before each origin, [O, L, N]; NaN where that is too little."""
    out = np.full((len(rows), len(FACTORS), panel.values.shape[1]), np.nan)
    for o, row in enumerate(rows):
        past = panel.values[: row + 1].astype(np.float64)
        enough = np.isfinite(past).sum(axis=0) >= least
        high = np.nanquantile(past[:, enough], 0.95, axis=0)
        out[o][:, enough] = np.array(FACTORS)[:, None] * np.where(high > 0, high, np.nan)
    return out


def replayed(dataset: str, panel: Panel) -> pd.DataFrame:
    """Past warnings of a panel of real series; the data set stands as business unit, the factor as level."""
    settings = with_origins(REAL, panel.cadence)
    errors = engine.train(panel, HORIZON[panel.cadence], settings).errors
    rows = np.asarray(panel.timestamps.get_indexer(errors.origins), np.int64)
    limits = thresholds_before(panel, rows, LEAST[panel.cadence])
    levels = tuple(f"{factor:g}" for factor in FACTORS)
    found = past_warnings(panel, errors, settings, thresholds=limits, levels=levels, latest=LATEST)
    return found.assign(server_id=dataset + "|" + found["server_id"], metric="series", business_unit=dataset)
