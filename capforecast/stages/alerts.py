"""What of a finished run is worth an alert: servers that became critical, past warnings that were no good."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from capforecast.cloud.sns import publish
from capforecast.errors import ConfigError, InputError
from capforecast.exchange import Published, Unit
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.report.assemble import earlier_servers
from capforecast.report.changes import compared
from capforecast.report.summary import RunSummary
from capforecast.report.summary_warnings import Scorecard
from capforecast.report.words import plural
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, Tier
from capforecast.settings import AlertSettings, Settings

MOST_NAMED = 10
Facts = dict[str, Any]


def alerts(store: Store, settings: Settings, units: list[Unit], published: Published) -> dict[str, Facts]:
    """Facts of each alert that a run gives cause for, by its name: `new-critical`, `scorecard-low`.

    units: those that finished.  Each has `sentence`, `business_units` and figures, and is JSON.
    """
    asked = settings.alerts
    summary = RunSummary.model_validate_json(store.fetch(published.references["summary"]))
    found = {
        "new-critical": _new_critical(store, asked, units),
        "scorecard-low": scorecard_low(summary.warnings, settings),
    }
    return {name: facts for name, facts in found.items() if facts is not None}


def _new_critical(store: Store, asked: AlertSettings, units: list[Unit]) -> Facts | None:
    """Servers that are critical and were not at the run before; None where too few, or nothing is known of before."""
    if not asked.new_critical:
        return None
    before = [earlier_servers(store, unit.references.get("previous_servers")) for unit in units]
    now = [read_frame(store, unit.references["servers"]) for unit in units]
    return newly_critical(_stacked(before), _stacked(now), asked.new_critical)


def newly_critical(before: pd.DataFrame, now: pd.DataFrame, least: int) -> Facts | None:
    """before: servers of earlier runs with their cut-off in `since`.  now: servers of this run."""
    table = compared(before, now)
    table = table[(table["tier"] == Tier.CRITICAL) & (table["tier_before"] != Tier.CRITICAL)]
    if len(table) < least:
        return None
    counts = table.groupby(BUSINESS_UNIT, sort=True).size()
    names = [str(name) for name in table[SERVER_ID].head(MOST_NAMED)]
    by_unit = {str(name): int(count) for name, count in counts.items()}
    more = f" and {len(table) - len(names)} more" if len(table) > len(names) else ""
    return {
        "servers": len(table),
        "business_units": list(by_unit),
        "by_business_unit": by_unit,
        "worst": names,
        "sentence": f"{plural(len(table), 'server')} newly critical: {', '.join(names)}{more}.",
    }


def scorecard_low(card: Scorecard | None, settings: Settings) -> Facts | None:
    """The Brier skill of past warnings at the horizon of tier high, where below its floor and known well enough."""
    floor = settings.alerts.scorecard_floor
    if card is None or floor is None:
        return None
    horizons = [row.horizon_days for row in card.calibration if row.horizon_days <= settings.risk.tier_horizon_days]
    if not horizons:
        return None
    row = next(row for row in card.calibration if row.horizon_days == max(horizons))
    score = next((each for each in card.ours if each.horizon_days == row.horizon_days), None)
    if score is None or score.events < settings.alerts.scorecard_events or row.brier_skill is None:
        return None
    if row.brier_skill >= floor:
        return None
    return {
        "horizon_days": row.horizon_days,
        "brier_skill": row.brier_skill,
        "skill_low": row.skill_low,
        "skill_high": row.skill_high,
        "floor": floor,
        "cases": score.cases,
        "events": score.events,
        "business_units": [],
        "sentence": (
            f"Past warnings at {row.horizon_days} days had a Brier skill of {row.brier_skill:.2f}, below the floor of "
            f"{floor:g} ({plural(score.events, 'breach', 'es')} in {score.cases:,} cases)."
        ),
    }


def publish_alert(settings: Settings, alert: str) -> str:
    """Publish an alert, JSON as the automations render it, to the SNS topic of the settings; the message's id.

    Raises ConfigError where no topic is named, InputError where it is no alert.
    """
    topic = settings.alerts.sns_topic
    if topic is None:
        raise ConfigError("alerts.sns_topic is not set where this runs: set it for the worker, or unset it for setup")
    try:
        content = json.loads(alert)
        subject, text = f"capforecast: {content['alert']}", str(content["text"])
    except (ValueError, KeyError, TypeError):
        raise InputError("an alert is JSON with `alert` and `text`; this is none") from None
    return publish(topic, subject, text, json.dumps(content))


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
