"""From the tables of a run's business units to its RunSummary: totals, roll-ups, top risks, accuracy, definitions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from capforecast import __version__
from capforecast.errors import StageError
from capforecast.report.accuracy import figure, metric_accuracy
from capforecast.report.data import text_column
from capforecast.report.inputs import Evidence, UnitInput
from capforecast.report.pooling import pool_summaries, pool_sums
from capforecast.report.sentences import CAPACITY_UNITS, definitions, forecast_by, risk_sentence
from capforecast.report.summary import Accuracy, Quality, Risk, RollUp, RunSummary, Tiers, UnitSummary
from capforecast.report.terms import evidence_terms
from capforecast.report.track_record import track_record
from capforecast.risk.rule import rule_for
from capforecast.risk.tiers import count_tiers, order_by_risk, roll_up
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, REGION, SERVER_ID, TIER_ORDER, Cadence, Tier
from capforecast.settings import Settings

log = logging.getLogger(__name__)

AT_RISK = (Tier.CRITICAL, Tier.HIGH, Tier.WATCH)


def build_summary(
    *,
    as_of: pd.Timestamp,
    cadence: Cadence,
    horizon: int,
    settings: Settings,
    units: Sequence[UnitInput],
    quality: Quality,
    known_at: str | None = None,
    evidence: Evidence | None = None,
) -> RunSummary:
    """Summary of a run. The same units in another order give the same summary.

    A failed unit has no figures; totals are of the finished ones, `complete` is false, and the definition of totals
    names what is missing. Raises StageError when totals of servers do not reconcile.
    """
    units = sorted(units, key=lambda unit: unit.name)
    servers = _stack([unit.servers for unit in units])
    tiers = Tiers(**count_tiers(servers)) if len(servers) else Tiers()
    parts = [_unit(unit) for unit in units]
    _check_totals(units, servers, parts, tiers)
    missing = [unit.name for unit in units if unit.problem is not None]
    metrics = {name for unit in units if unit.risks is not None for name in unit.risks[METRIC].unique()}
    models = _models(units)
    origin = _utc(as_of).tz_localize(None) - cadence.step
    known = evidence or Evidence()
    record = track_record(known.scorecard, known.reliability, known.origins, tiers.total - tiers.unknown)
    pools = pool_summaries(known.pools, origin)
    unseen = int((unseen_peaks(servers) != "").sum()) if len(servers) else 0
    marks = known.anomalies["kind"].value_counts().sort_index() if len(known.anomalies) else {}
    return RunSummary(
        product_version=__version__,
        as_of=_utc(as_of).isoformat(),
        known_at=known_at,
        cadence=cadence.value,
        horizon=cadence.label(horizon),
        reach=_reach(servers, min(horizon / cadence.per_day, settings.risk.tier_horizon_days)),
        title=settings.report.title,
        organisation=settings.report.organisation,
        complete=not missing,
        servers=len(servers),
        series=sum(part.series for part in parts),
        tiers=tiers,
        unknown_reasons=_unknown_reasons(servers),
        business_units=parts,
        by_region=_cells(servers, (REGION,)),
        by_criticality=_cells(servers, (CRITICALITY,)),
        by_unit_and_region=_cells(servers, (BUSINESS_UNIT, REGION)),
        top_risks=_top_risks(servers, settings, origin),
        accuracy=_accuracy(units),
        accuracy_at_risk=_accuracy_at_risk(servers, units),
        models=models,
        warnings=record,
        pools=pools,
        pool_sums=pool_sums(known.pools, origin),
        peaks_unseen=unseen,
        anomalies={str(kind): int(count) for kind, count in marks.items()},
        quality=quality,
        definitions=definitions(settings, cadence, metrics, missing)
        | {
            "forecast by": f"{forecast_by(models)}. The model named first made most forecasts; `fleet` is the engine, "
            "which also forecasts what another model cannot."
        }
        | evidence_terms(settings, record, pools, len(known.anomalies), unseen),
    )


def unseen_peaks(frame: pd.DataFrame) -> pd.Series:
    """The known peaks that lie ahead of each row and that its history does not hold, in words; "" = none."""
    flags = text_column(frame, "flags").str.split()
    flagged = flags.map(lambda words: "a known peak" if "peaks_unseen" in words else "").astype("str")
    names = text_column(frame, "unseen_peaks").str.replace("event: ", "").str.replace("_", " ")
    return names.where(names != "", flagged)


def _reach(servers: pd.DataFrame, asked: float) -> str:
    """Horizon behind the tiers of most servers when it is shorter than the one asked for, in days; else ""."""
    known = servers["horizon_days"].dropna() if "horizon_days" in servers else pd.Series(dtype="float64")
    typical = float(known.median()) if len(known) else asked
    return f"{typical:g} d" if typical < asked else ""


def _models(units: Sequence[UnitInput]) -> dict[str, int]:
    """Series by the model that forecast them, the model of most series first."""
    counts: Counter[str] = Counter()
    for unit in units:
        counts.update(unit.models)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _unit(unit: UnitInput) -> UnitSummary:
    if unit.servers is None or unit.risks is None:
        return UnitSummary(
            name=unit.name,
            status="failed",
            problem=unit.problem,
            servers=0,
            series=0,
            tiers=Tiers(),
            unknown_reasons={},
        )
    return UnitSummary(
        name=unit.name,
        status="finished",
        problem=None,
        servers=len(unit.servers),
        series=len(unit.risks),
        tiers=Tiers(**count_tiers(unit.servers)),
        unknown_reasons=_unknown_reasons(unit.servers),
    )


def _unknown_reasons(servers: pd.DataFrame) -> dict[str, int]:
    if not len(servers):
        return {}
    counts = servers.loc[servers["tier"] == Tier.UNKNOWN, "reason"].value_counts().sort_index()
    return {str(reason): int(count) for reason, count in counts.items()}


def _check_totals(units: Sequence[UnitInput], servers: pd.DataFrame, parts: list[UnitSummary], tiers: Tiers) -> None:
    names = [unit.name for unit in units]
    if len(set(names)) < len(names):
        raise StageError(f"a business unit stands more than once: {', '.join(names)}")
    for unit in units:
        strangers = [] if unit.servers is None else set(unit.servers[BUSINESS_UNIT].unique()) - {unit.name}
        if strangers:
            raise StageError(f"business unit {unit.name!r} holds servers of {', '.join(map(repr, sorted(strangers)))}")
    if len(servers) and servers[SERVER_ID].duplicated().any():
        twice = servers.loc[servers[SERVER_ID].duplicated(keep=False)].sort_values(SERVER_ID)
        raise StageError(
            f"server {twice[SERVER_ID].iloc[0]} is counted in {' and '.join(twice[BUSINESS_UNIT].iloc[:2])}; "
            "a server belongs to one business unit at a time"
        )
    for name, total, summed in [
        ("servers", len(servers), sum(part.servers for part in parts)),
        ("tiers", tiers.total, sum(part.tiers.total for part in parts)),
        ("servers with a tier", tiers.total, len(servers)),
        ("unknown servers", tiers.unknown, sum(sum(part.unknown_reasons.values()) for part in parts)),
    ]:
        if total != summed:
            raise StageError(f"{name}: the fleet has {total}, its parts add up to {summed}")


def _cells(servers: pd.DataFrame, by: tuple[str, ...]) -> list[RollUp]:
    if not len(servers):
        return []
    names = [tier.value for tier in TIER_ORDER]
    return [
        RollUp(
            **{name: row[name] for name in by},
            servers=row["servers"],
            tiers=Tiers(**{name: row[name] for name in names}),
        )
        for row in roll_up(servers, by).to_dict("records")
    ]


def _top_risks(servers: pd.DataFrame, settings: Settings, origin: pd.Timestamp) -> list[Risk]:
    """Servers at watch or worse, worst first, as many as the report draws."""
    if not len(servers):
        return []
    worst = order_by_risk(servers[servers["tier"].isin(AT_RISK)]).head(settings.report.top_risks)
    worst = worst.assign(peaks_unseen=unseen_peaks(worst))
    return [_risk(row, settings, origin) for row in worst.to_dict("records")]


def _risk(row: Mapping[Any, Any], settings: Settings, origin: pd.Timestamp) -> Risk:
    figures = ("last_value", "probability_very_high", "horizon_days", "days_q10", "days_q50", "days_q90", "peak_q90",
               "capacity_remaining", "relative_mae", "coverage_80")  # fmt: skip
    texts = (SERVER_ID, BUSINESS_UNIT, REGION, CRITICALITY, "tier", METRIC, "statistic")
    risk = Risk(
        **{name: str(row[name]) for name in texts},
        **{name: figure(row[name]) for name in figures},
        unit=settings.metric(row[METRIC]).unit,
        threshold=figure(row["threshold_high"]),
        probability=figure(row["probability_high"]),
        in_breach=bool(row["in_breach_high"] or row["in_breach_very_high"]),
        paths=int(row["paths"]),
        capacity_remaining_units=figure(row.get("capacity_remaining_units")),
        capacity_unit=CAPACITY_UNITS.get(str(row[METRIC]), ""),
        trend_per_month=figure(row.get("trend_per_month")),
        trend_since=_day(row.get("trend_since")),
        peaks_unseen=str(row["peaks_unseen"]),
        sentence="",
    )
    now = "very_high" if row["in_breach_very_high"] else "high" if row["in_breach_high"] else None
    critical = settings.risk.critical_horizon_days
    days = critical if risk.horizon_days is None else min(critical, risk.horizon_days)
    very_high = figure(row["threshold_very_high"])
    rule = rule_for(settings.metric(risk.metric), settings.risk, Cadence.DAILY)
    lead = min(settings.risk.lead_time_days, risk.horizon_days or settings.risk.lead_time_days)
    said = risk_sentence(risk, origin, very_high, now, days, rule, lead)
    return risk.model_copy(update={"sentence": said})


def _day(moment: object) -> str | None:
    return None if moment is None or pd.isna(moment) else f"{pd.Timestamp(moment):%Y-%m-%d}"


def _accuracy(units: Sequence[UnitInput]) -> list[Accuracy]:
    """Accuracy per metric of the fleet, then of each business unit."""
    tables = [(unit.name, unit.backtest) for unit in units if unit.backtest is not None]
    rows = metric_accuracy(None, _stack([table for _, table in tables]))
    return rows + [row for name, table in tables for row in metric_accuracy(name, table)]


def _accuracy_at_risk(servers: pd.DataFrame, units: Sequence[UnitInput]) -> Accuracy | None:
    """Accuracy of the series behind the critical and high servers, whatever their metric: those a reader acts on."""
    table = _stack([unit.backtest for unit in units])
    if not len(table) or not len(servers):
        return None
    bad = servers[servers["tier"].isin([Tier.CRITICAL, Tier.HIGH])]
    named = pd.MultiIndex.from_frame(table[[SERVER_ID, METRIC]]).isin(
        pd.MultiIndex.from_frame(bad[[SERVER_ID, METRIC]])
    )
    rows = metric_accuracy(None, table[named].assign(**{METRIC: "servers at risk"}))
    return rows[0] if rows else None


def _stack(tables: Sequence[pd.DataFrame | None]) -> pd.DataFrame:
    filled = [table for table in tables if table is not None and len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
