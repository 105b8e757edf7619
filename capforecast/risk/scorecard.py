"""The warning scorecard: how often warnings came true, beside the rules used today, with intervals over servers.

Every row says how many cases and events stand behind it. A case is scored at a horizon only when a probability was
stated and the outcome is complete. Two rules are compared at equal false alarms: our cut-off is moved to the other
rule's number of them, and the recalls are compared on the same resampled servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.risk import rules_of_thumb as thumb
from capforecast.risk.resampling import DRAWS
from capforecast.risk.rule_scores import Cases, reliability_rows, rule_rows
from capforecast.schema import (
    BUSINESS_UNIT,
    CRITICALITY,
    METRIC,
    REGION,
    RELIABILITY_COLUMNS,
    SCORECARD_COLUMNS,
    SERVER_ID,
    BoolArray,
    Tier,
)
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]

FLEET_SCOPE, EVERY_LEVEL = "fleet", "both"
SCOPES = (FLEET_SCOPE, BUSINESS_UNIT, METRIC, CRITICALITY, REGION)
OURS, LOGISTIC = "capforecast", "one-number logistic"
LINES = {window: f"line {window} d" for window in thumb.LINE_DAYS}
NEAR, ABOVE, EVERYTHING = "near threshold", "often above", "flag everything"
RULES = (OURS, *LINES.values(), NEAR, LOGISTIC, ABOVE, EVERYTHING)
TIER_RULE = "tier "  # and the tier's name
DAYS_PER_MONTH = 365.25 / 12
_TEXT, _COUNTS = ("scope", "name", "level", "rule"), ("horizon_days", "servers", "series", "origins", "cases", "events")


@dataclass(frozen=True)
class Scorecard:
    """rows: SCORECARD_COLUMNS.  reliability: RELIABILITY_COLUMNS, of our probabilities."""

    rows: pd.DataFrame
    reliability: pd.DataFrame


def score(warnings: pd.DataFrame, settings: Settings, draws: int = DRAWS) -> Scorecard:
    """The scorecard of a `warnings` table: WARNING_COLUMNS and the probabilities `p_<days>d`; empty of an empty one."""
    rows: list[dict[str, object]] = []
    bins: list[dict[str, object]] = []
    table = warnings.sort_values([SERVER_ID, METRIC, "origin", "level"], kind="stable", ignore_index=True)
    table = table.assign(tier=_tiers(table, settings))
    issues, spans = _issues_per_month(table), _tier_horizons(table, settings)
    for horizon in stated_horizons(table) if len(table) else ():
        for about, part in _groups(at_horizon(table, horizon)):
            tiers = _told_by_tier(part, str(about["level"]), horizon, spans)
            cases = _cases(part, about | {"horizon_days": horizon}, horizon, issues, tiers, settings)
            rows += rule_rows(cases, OURS, draws)
            bins += reliability_rows(cases, OURS)
    return Scorecard(_typed(rows, SCORECARD_COLUMNS), _typed(bins, RELIABILITY_COLUMNS))


def our_rule(cut: float, settings: Settings) -> str:
    """Name of the rule that warns from a probability on; `capforecast` alone for that of tier high."""
    return OURS if cut == settings.risk.high_probability else f"{OURS} >= {cut:g}"


def stated_horizons(warnings: pd.DataFrame) -> tuple[int, ...]:
    """Horizons, in days, at which a `warnings` table states probabilities."""
    names = [str(name)[2:-1] for name in warnings.columns if str(name).startswith("p_") and str(name).endswith("d")]
    return tuple(sorted(int(name) for name in names if name.isdigit()))


def _issues_per_month(table: pd.DataFrame) -> float:
    """How often warnings were issued a month, from the usual distance of a series' origins; once where it has one."""
    same = (table[[SERVER_ID, METRIC]] == table[[SERVER_ID, METRIC]].shift()).all(axis=1)
    gaps = table["origin"].diff()[same] / pd.Timedelta(days=1)
    gaps = gaps[gaps > 0]
    return DAYS_PER_MONTH / float(gaps.median()) if len(gaps) else 1.0


def _tiers(table: pd.DataFrame, settings: Settings) -> pd.Series:
    """Tier that each case would have had: critical by `very_high`, the others by `high`; "" where none applies."""
    risk, (near, far) = settings.risk, _tier_horizons(table, settings)
    if not near or not far:
        return pd.Series("", index=table.index, dtype="str")
    key = pd.MultiIndex.from_frame(table[[SERVER_ID, METRIC, "origin"]])
    worst = (table["level"] == "very_high") & (table[f"p_{near}d"] >= risk.critical_probability)
    critical = key.isin(key[worst])
    p = table[f"p_{far}d"]
    by_high = np.select(
        [critical, p >= risk.high_probability, p >= risk.watch_probability, p.notna()],
        [Tier.CRITICAL.value, Tier.HIGH.value, Tier.WATCH.value, Tier.OK.value],
        "",
    )
    chosen = np.select([table["level"] == "high", worst], [by_high, Tier.CRITICAL.value], "")
    return pd.Series(chosen, index=table.index, dtype="str")


def _tier_horizons(table: pd.DataFrame, settings: Settings) -> tuple[int, int]:
    """Days that the tiers `critical`, and `high` and `watch`, look ahead, or the longest stated below; 0 = none."""
    known, risk = stated_horizons(table), settings.risk
    near, far = (
        max((h for h in known if h <= most), default=0) for most in (risk.critical_horizon_days, risk.tier_horizon_days)
    )
    return near, far


def at_horizon(table: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Cases that are scored at a horizon, with `p`, `event` and the logistic rule's probability `logistic`."""
    complete = (table["observed_days"] >= horizon).to_numpy()
    event = (table["event_days"] <= horizon).to_numpy()
    hours = ((table["origin"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)).to_numpy(dtype=np.int64)
    logistic = np.full(len(table), np.nan)
    logistic[complete] = thumb.one_number_logistic(
        table["near_share"].to_numpy(dtype=np.float64)[complete], hours[complete],
        hours[complete] + 24 * horizon, event[complete],
    )  # fmt: skip
    scored = table.assign(p=table[f"p_{horizon}d"], event=event, logistic=logistic)
    return scored[complete & scored["p"].notna()]


def _groups(known: pd.DataFrame) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Every scope, each of its names, each level and both together."""
    for scope in SCOPES:
        for name, part in [("", known)] if scope == FLEET_SCOPE else known.groupby(scope, sort=True, observed=True):
            levels = list(part.groupby("level", sort=True, observed=True))
            for level, cases in [*levels, (EVERY_LEVEL, part)]:
                yield {"scope": scope, "name": str(name), "level": str(level)}, cases


def _cases(
    part: pd.DataFrame,
    about: dict[str, object],
    horizon: int,
    issues: float,
    tiers: dict[str, BoolArray],
    settings: Settings,
) -> Cases:
    server, servers = pd.factorize(part[SERVER_ID], sort=True)
    pairs = int((~part[[SERVER_ID, "origin"]].duplicated()).sum())
    event = part["event"].to_numpy(dtype=bool)
    ours, logistic = (part[name].to_numpy(dtype=np.float64) for name in ("p", "logistic"))
    counts = {
        "servers": len(servers), "series": int((~part[[SERVER_ID, METRIC]].duplicated()).sum()),
        "origins": part["origin"].nunique(), "cases": len(part), "events": int(event.sum()),
        "base_rate": float(event.mean()) if len(event) else float("nan"),
    }  # fmt: skip
    return Cases(
        server=server.astype(np.int64),
        servers=len(servers),
        stratum=pd.factorize(part[METRIC] + "|" + part["level"], sort=True)[0].astype(np.int64),
        event=event,
        lead=part["event_days"].to_numpy(dtype=np.float64),
        told=_told(part, horizon, ours, logistic, settings) | tiers,
        stated={our_rule(cut, settings): ours for cut in _cuts(settings)} | {LOGISTIC: logistic},
        compared=(*LINES.values(), NEAR, LOGISTIC, ABOVE, EVERYTHING),
        about=about | counts,
        issues=pairs / issues / 100.0,
    )


def _cuts(settings: Settings) -> list[float]:
    """Probabilities from which tiers warn, highest first."""
    risk = settings.risk
    return sorted({risk.critical_probability, risk.high_probability, risk.watch_probability}, reverse=True)


def _told(part: pd.DataFrame, horizon: int, ours: Array, logistic: Array, settings: Settings) -> dict[str, BoolArray]:
    """By rule: would it have warned?"""
    told = {our_rule(cut, settings): ours >= cut for cut in _cuts(settings)}
    told |= {LINES[window]: part[f"line_{window}"].to_numpy(dtype=np.float64) <= horizon for window in thumb.LINE_DAYS}
    return told | {
        NEAR: part["near_share"].to_numpy(dtype=np.float64) > thumb.NEAR_SHARE,
        LOGISTIC: logistic >= settings.risk.high_probability,
        ABOVE: part["above_share"].to_numpy(dtype=np.float64) >= thumb.ABOVE_SHARE,
        EVERYTHING: np.ones(len(part), np.bool_),
    }


def _told_by_tier(part: pd.DataFrame, level: str, horizon: int, spans: tuple[int, int]) -> dict[str, BoolArray]:
    """The tiers as rules, at the level and horizon each is about: one series has one tier."""
    names = {("very_high", spans[0]): (Tier.CRITICAL,), ("high", spans[1]): (Tier.HIGH, Tier.WATCH, Tier.OK)}
    tier = part["tier"].to_numpy(dtype=object)
    return {TIER_RULE + name: np.asarray(tier == name.value) for name in names.get((level, horizon), ())}


def _typed(rows: list[dict[str, object]], columns: tuple[str, ...]) -> pd.DataFrame:
    """A table with these columns, in types that do not depend on its content."""
    table = pd.DataFrame(rows, columns=list(columns))
    kinds = {name: "str" if name in _TEXT else "int64" if name in _COUNTS else "float64" for name in columns}
    return table.astype(kinds)
