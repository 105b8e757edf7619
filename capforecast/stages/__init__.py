"""The stages of the line, each a function of references that returns references.

Tasks, Lambda and SageMaker wrap these; a notebook may call them in order. No stage looks for "the newest" of anything:
what it reads is named in its arguments, and a reference whose object has changed is an error.
"""

from capforecast.sources.remote import Pace
from capforecast.stages.actions import actions, actions_overview, decided
from capforecast.stages.alerts import alerts, publish_alert
from capforecast.stages.anomalies import anomalies
from capforecast.stages.champion import champion, model_overview, why_train
from capforecast.stages.collect import collect, collect_named
from capforecast.stages.collected import Asked, Collected, MissedSpan, MissingSeries, record_key
from capforecast.stages.delivery import deliver, delivers
from capforecast.stages.drift import drift, drift_overview
from capforecast.stages.intake import (
    AS_OF,
    BUSINESS_DAY,
    SCHEDULED,
    given_inventory,
    ingest,
    parse_as_of,
    parse_known_at,
    price_list,
    shape_catalogue,
    source_overview,
)
from capforecast.stages.lake_history import InLake, from_lake, in_lake
from capforecast.stages.outputs import is_whole, publish, render, report
from capforecast.stages.pools import fleet_pools, pool_overview, pools
from capforecast.stages.scorecard import scorecard, scorecard_overview, warnings
from capforecast.stages.serve import Served, UnitServed, serve
from capforecast.stages.sizing import sizing
from capforecast.stages.source_check import Checked, check_source
from capforecast.stages.training_jobs import refuse_without_lake, train_by_job
from capforecast.stages.units import forecast, overview, read_panel, risk, train, validate

NEEDS = {  # which of a unit's references a stage reads
    "anomalies": ("processed", "quality"),
    "train": ("processed", "quality"),
    "champion": ("quality", "challenger"),
    "forecast": ("processed", "quality", "model"),
    "risk": ("inventory", "processed", "quality", "backtests", "model", "forecasts"),
    "pools": ("inventory", "processed", "quality", "model", "forecasts"),
    "warnings": ("processed", "quality", "model"),
    "drift": (
        "processed", "quality", "model", "backtests", "forecasts", "servers", "previous_forecasts", "previous_servers",
        "judged_forecasts", "judged_servers",
    ),
    "sizing": (
        "inventory", "processed", "quality", "risks", "servers", "model", "forecasts", "shapes", "prices", "activity",
        "neighbours",
    ),
    "scorecard": ("warnings",),
    "actions": (
        "inventory", "processed", "quality", "forecasts", "servers", "shapes", "prices", "model", "sizing", "replays",
        "features", "features_before", "path_costs",
    ),
}  # fmt: skip

ORDER = (  # of all stages: first those of a business unit, then the fleet's
    "ingest", "validate", "anomalies", "train", "champion", "forecast", "risk", "pools", "warnings", "drift", "sizing",
    "fleet-pools", "scorecard", "decided", "actions", "report",
)  # fmt: skip
OF_UNIT = ORDER[1 : ORDER.index("fleet-pools")]

__all__ = [
    "AS_OF", "BUSINESS_DAY", "NEEDS", "OF_UNIT", "ORDER", "SCHEDULED", "Asked", "Checked", "Collected", "InLake",
    "MissedSpan", "MissingSeries", "Pace", "Served", "UnitServed", "actions", "actions_overview", "alerts", "anomalies",
    "champion", "check_source", "collect", "collect_named", "decided", "deliver", "delivers", "drift", "drift_overview",
    "fleet_pools", "forecast", "from_lake", "given_inventory", "in_lake", "ingest", "is_whole", "model_overview",
    "overview", "parse_as_of", "parse_known_at", "pool_overview", "pools", "price_list", "publish", "publish_alert",
    "read_panel", "record_key", "refuse_without_lake", "render", "report", "risk", "scorecard", "scorecard_overview",
    "serve", "shape_catalogue", "sizing", "source_overview", "train", "train_by_job", "validate", "warnings",
    "why_train",
]  # fmt: skip
