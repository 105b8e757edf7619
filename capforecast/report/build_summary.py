"""From the tables of a run's business units to its RunSummary: totals, roll-ups, top risks, accuracy, definitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from capforecast import __version__
from capforecast.report.accuracy import metric_accuracy
from capforecast.report.action_terms import action_terms
from capforecast.report.actions_part import actions_summary, segment_summaries
from capforecast.report.changes import changes_part
from capforecast.report.changes_words import change_terms
from capforecast.report.definitions import definitions
from capforecast.report.inputs import Evidence, UnitInput
from capforecast.report.model_parts import drift_checks, model_versions
from capforecast.report.pooling import pool_summaries, pool_sums
from capforecast.report.sentences import forecast_by
from capforecast.report.summary import Accuracy, Provenance, Quality, RunSummary, Tiers
from capforecast.report.terms import evidence_terms, model_terms
from capforecast.report.top_risks import top_risks, unseen_peaks
from capforecast.report.totals import cells, check_totals, unit_summary, unknown_reasons
from capforecast.report.track_record import track_record
from capforecast.risk.tiers import count_tiers
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, REGION, SERVER_ID, Cadence, Tier
from capforecast.settings import Settings


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
    provenance: Provenance | None = None,
) -> RunSummary:
    """Summary of a run. The same units in another order give the same summary.

    A failed unit has no figures; totals are of the finished ones, `complete` is false, and the definition of totals
    names what is missing. Raises StageError when totals of servers do not reconcile.
    """
    units = sorted(units, key=lambda unit: unit.name)
    servers = _stack([unit.servers for unit in units])
    origin = _utc(as_of).tz_localize(None) - cadence.step
    totals = _totals(units, servers)
    found = _found(units, servers, evidence or Evidence(), origin) | _advised(evidence or Evidence(), settings)
    return RunSummary(
        product_version=__version__,
        as_of=_utc(as_of).isoformat(),
        known_at=known_at,
        cadence=cadence.value,
        horizon=cadence.label(horizon),
        reach=_reach(servers, min(horizon / cadence.per_day, settings.risk.tier_horizon_days)),
        title=settings.report.title,
        organisation=settings.report.organisation,
        top_risks=top_risks(servers, settings, origin),
        accuracy=_accuracy(units),
        accuracy_at_risk=_accuracy_at_risk(servers, units),
        provenance=provenance,
        quality=quality,
        definitions=_definitions(settings, cadence, units, found),
        **totals,
        **found,
    )


def _totals(units: Sequence[UnitInput], servers: pd.DataFrame) -> dict[str, Any]:
    """The summary's totals and roll-ups. Raises StageError when they do not add up."""
    tiers = Tiers(**count_tiers(servers)) if len(servers) else Tiers()
    parts = [unit_summary(unit) for unit in units]
    check_totals(units, servers, parts, tiers)
    return {
        "complete": not _missing(units),
        "servers": len(servers),
        "series": sum(part.series for part in parts),
        "tiers": tiers,
        "unknown_reasons": unknown_reasons(servers),
        "business_units": parts,
        "by_region": cells(servers, (REGION,)),
        "by_criticality": cells(servers, (CRITICALITY,)),
        "by_unit_and_region": cells(servers, (BUSINESS_UNIT, REGION)),
    }


def _found(units: Sequence[UnitInput], servers: pd.DataFrame, known: Evidence, origin: pd.Timestamp) -> dict[str, Any]:
    """The summary's parts on models, warnings, pools and marks on the history."""
    forecast = int((servers["tier"] != Tier.UNKNOWN).sum()) if len(servers) else 0
    marks = known.anomalies["kind"].value_counts().sort_index() if len(known.anomalies) else {}
    return {
        "models": _models(units),
        "model_versions": model_versions(known.champions),
        "drift": drift_checks(known.drift),
        "changes": changes_part(known.changes, [unit.name for unit in units if unit.problem is None]),
        "warnings": track_record(known.scorecard, known.reliability, known.origins, forecast, known.by_origin),
        "pools": pool_summaries(known.pools, origin),
        "pool_sums": pool_sums(known.pools, origin),
        "peaks_unseen": int((unseen_peaks(servers) != "").sum()) if len(servers) else 0,
        "anomalies": {str(kind): int(count) for kind, count in marks.items()},
    }


def _advised(known: Evidence, settings: Settings) -> dict[str, Any]:
    """The summary's parts on what to do."""
    tables = (known.actions, known.savings, known.bounds, known.consolidation)
    return {
        "actions": actions_summary(*tables, settings, known.realised),
        "segments": segment_summaries(known.segment_sizes),
    }


def _definitions(
    settings: Settings, cadence: Cadence, units: Sequence[UnitInput], found: Mapping[str, Any]
) -> dict[str, str]:
    """Terms of the parts that the report has."""
    metrics = {name for unit in units if unit.risks is not None for name in unit.risks[METRIC].unique()}
    return {
        **definitions(settings, cadence, metrics, _missing(units)),
        "forecast by": f"{forecast_by(found['models'])}. The model named first made most forecasts; `fleet` is the "
        "engine, which also forecasts what another model cannot.",
        **evidence_terms(
            settings, found["warnings"], found["pools"], sum(found["anomalies"].values()), found["peaks_unseen"]
        ),
        **change_terms(found["changes"]),
        **model_terms(settings, found["model_versions"], found["drift"]),
        **action_terms(settings, found["actions"], found["segments"]),
    }


def _missing(units: Sequence[UnitInput]) -> list[str]:
    return [unit.name for unit in units if unit.problem is not None]


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
