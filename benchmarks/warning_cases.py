"""Past warnings to be judged: of real series with thresholds of their own, the reference fleets, a synthetic fleet."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import real_cases

from capforecast.fleet import panel as panels
from capforecast.fleet import synthetic_files
from capforecast.fleet.synthetic import Fleet
from capforecast.forecast import engine
from capforecast.risk.past_warnings import past_warnings
from capforecast.schema import METRIC, SERVER_ID, Cadence, Panel
from capforecast.settings import Settings
from capforecast.sources.files import read_files
from deployments.origins import panel_of, usable

Array = npt.NDArray[np.float64]

FACTORS = (1.05, 1.15, 1.3)
ORIGINS = {Cadence.DAILY: 40, Cadence.HOURLY: 30}  # replayed
LATEST = {"real": 18, "reference": 22, "synthetic": 18}  # newest ones that are warned at
LEAST = {Cadence.DAILY: 420, Cadence.HOURLY: 21 * 24}  # points before an origin whose quantile makes a threshold
HORIZON = {Cadence.DAILY: 90, Cadence.HOURLY: 168}
REAL = Settings(metrics={})  # units differ: no physical range
SHORT = ("smd_servers", 700)  # hourly data set below the protocol's length, and the points asked of it


def with_origins(settings: Settings, cadence: Cadence) -> Settings:
    """The settings with as many past origins as the replay wants."""
    forecast = settings.forecast.model_copy(update={f"origins_{cadence}": ORIGINS[cadence]})
    return settings.model_copy(update={"forecast": forecast})


def real(folder: Path, protocol: Path, cadence: Cadence) -> pd.DataFrame:
    """Past warnings of all real series of a cadence; the data set stands as business unit, the factor as level."""
    found = real_cases.cases(real_cases.load_protocol(protocol), folder, cadence, HORIZON[cadence], [0])
    names: dict[str, set[str]] = {}
    for case in found:
        names.setdefault(case.dataset, set()).add(case.series)
    frames = [_of_set(folder, dataset, chosen, cadence) for dataset, chosen in names.items()]
    short = folder / f"{SHORT[0]}__{cadence}.parquet"
    if SHORT[0] not in names and short.exists():
        frames.append(_of_set(folder, SHORT[0], None, cadence))
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def _of_set(folder: Path, dataset: str, chosen: set[str] | None, cadence: Cadence) -> pd.DataFrame:
    """Past warnings of one data set: series as observed, gaps and all, a panel for each end."""
    frame = pd.read_parquet(folder / f"{dataset}__{cadence}.parquet").astype({"series_id": str, METRIC: str})
    frame["name"] = frame["series_id"] + "|" + frame[METRIC]
    frame = frame.drop_duplicates(["name", "timestamp"])
    wide = frame.pivot(index="timestamp", columns="name", values="value").sort_index().asfreq(cadence.frequency)
    if chosen is None:
        chosen = {name for name in wide if wide[name].count() >= SHORT[1] and wide[name].tail(200).std() > 0}
    wide = wide[sorted(chosen)]
    ends = wide.apply(lambda column: column.last_valid_index())
    parts = []
    for end, group in ends.groupby(ends):
        part = wide.loc[:end, group.index].dropna(how="all").asfreq(cadence.frequency)
        metrics = [name.split("|", 1)[1] for name in part]
        parts.append(_replayed(dataset, real_cases.panel_of(part.to_numpy(), part.index, list(part), metrics)))
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _replayed(dataset: str, panel: Panel) -> pd.DataFrame:
    settings = with_origins(REAL, panel.cadence)
    errors = engine.train(panel, HORIZON[panel.cadence], settings).errors
    rows = np.asarray(panel.timestamps.get_indexer(errors.origins), np.int64)
    limits = thresholds_before(panel, rows, LEAST[panel.cadence])
    levels = tuple(f"{factor:g}" for factor in FACTORS)
    found = past_warnings(panel, errors, settings, thresholds=limits, levels=levels, latest=LATEST["real"])
    return found.assign(**{SERVER_ID: dataset + "|" + found[SERVER_ID], METRIC: "series", "business_unit": dataset})


def thresholds_before(panel: Panel, rows: npt.NDArray[np.int64], least: int) -> Array:
    """FACTORS times the 95 % quantile of what lay before each origin, [O, L, N]; NaN where that is too little."""
    out = np.full((len(rows), len(FACTORS), panel.values.shape[1]), np.nan)
    for o, row in enumerate(rows):
        past = panel.values[: row + 1].astype(np.float64)
        enough = np.isfinite(past).sum(axis=0) >= least
        if enough.any():
            high = np.nanquantile(past[:, enough], 0.95, axis=0)
            out[o][:, enough] = np.array(FACTORS)[:, None] * np.where(high > 0, high, np.nan)
    return out


def reference(path: Path) -> pd.DataFrame:
    """Past warnings of cpu_p95 of a reference fleet, thresholds 80 and 90."""
    frame = pd.read_parquet(path, columns=["timestamp", SERVER_ID, "cpu_p95"])
    wide = frame.pivot(index="timestamp", columns=SERVER_ID, values="cpu_p95").sort_index().asfreq("D")
    panel = real_cases.panel_of(wide.to_numpy(), wide.index, list(wide), ["cpu"] * wide.shape[1])
    settings = with_origins(Settings(), Cadence.DAILY)
    errors = engine.train(panel, HORIZON[Cadence.DAILY], settings).errors
    return past_warnings(panel, errors, settings, latest=LATEST["reference"])


def synthetic(servers: int, days: int) -> tuple[pd.DataFrame, int, int]:
    """Past warnings of a generated fleet; dates checked against its truth, and how many of them differ."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(servers=servers, days=days, cadence=Cadence.DAILY, seed=7, dirty=False)
        written = synthetic_files.write(fleet, Path(folder), with_truth=True)
        settings = with_origins(Settings(), Cadence.DAILY)
        files = (str(written.files[name]) for name in (synthetic_files.OBSERVATIONS, synthetic_files.INVENTORY))
        observations, inventory = files
        batch = read_files(observations, settings, inventory)
        truth = pd.read_parquet(Path(folder) / "_truth" / "truth_breaches.parquet")
    panel = usable(panel_of(batch, panels.default_as_of(batch.observations, batch.cadence), settings))
    limited = panel.series[METRIC].isin(["cpu", "mem", "disk"]).to_numpy(dtype=bool)
    panel = panel.take(limited)
    errors = engine.train(panel, HORIZON[Cadence.DAILY], settings).errors
    found = past_warnings(panel, errors, settings, latest=LATEST["synthetic"])
    return found, *_against_truth(found, truth)


def _against_truth(found: pd.DataFrame, truth: pd.DataFrame) -> tuple[int, int]:
    """First breaches looked up in the truth, and how many differ from ours."""
    keys = [SERVER_ID, METRIC, "level"]
    asked = found.reset_index().assign(origin=found["origin"].astype("datetime64[us, UTC]")).sort_values("origin")
    dates = truth[truth["rule"] == "daily"].assign(date=lambda rows: rows["date"].astype("datetime64[us, UTC]"))
    dates = dates[[*keys, "date"]].sort_values("date").astype(dict.fromkeys(keys, str))
    asked = asked.astype(dict.fromkeys(keys, str))
    next_one = pd.merge_asof(
        asked, dates, left_on="origin", right_on="date", by=keys, direction="forward", allow_exact_matches=False
    )
    days = (next_one["date"] - next_one["origin"]) / pd.Timedelta(days=1)
    true_days = days.where(days <= next_one["observed_days"])
    ours = next_one["event_days"].where(next_one["event_days"] <= next_one["observed_days"])
    return len(asked), int((true_days.fillna(0) != ours.fillna(0)).sum())
