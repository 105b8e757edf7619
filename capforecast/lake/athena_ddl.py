"""The lake as tables of Athena: columns, partitions and places as data, and the DDL made from them.

The infrastructure makes Glue tables from the same data (deployments/cdk), so neither can drift from schema.py.

Partitions are projected, not registered: no crawler, no MSCK REPAIR, a run's rows answer as soon as they are written.
`business_unit` and `cadence` are enums. (`injected` would refuse every query that does not name one unit.) It is the
partition's segment (segments.unit_segment); queries turn it into the name by url_decode. `as_of` is a day: partitions
of runs whose cut-off is not midnight are not projected, and Athena does not see them.

Fleet-level rows have tables of their own without that partition, so that their `business_unit` is the one in the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from capforecast import schema
from capforecast.errors import UsageError
from capforecast.lake.column_types import TEXT, column_type
from capforecast.lake.segments import unit_segment
from capforecast.schema import BUSINESS_UNIT, FLEET, SERVER_ID, Cadence
from capforecast.settings import Settings

FIRST_DAY = "2024-01-01"  # of projected cut-offs; every day from then on is a partition that Athena may look for
FIRST_MONTH = "2015-01"  # of projected months of raw observations
_FORECAST = (
    SERVER_ID, schema.METRIC, schema.TIMESTAMP, "origin", "model", "model_version", *schema.QUANTILE_NAMES, "mean",
)  # fmt: skip
_INVENTORY = (*schema.INVENTORY_TEXT, *schema.INVENTORY_NUMBERS, schema.VALID_FROM)
_NOT_OF_SERVERS = ("verdict", "flags", "unseen_peaks", "trend_per_month", "trend_since")
_SERVERS = (
    *schema.DIMENSIONS, "tier", "reason", "detail", "metric", "statistic",
    *(name for name in schema.RISK_COLUMNS[schema.RISK_COLUMNS.index("last_value"):] if name not in _NOT_OF_SERVERS),
    *_INVENTORY[len(schema.DIMENSIONS):], "capacity_changed_at", "sizes_filled", "sizes_conflict",
)  # fmt: skip
_QUARANTINE = ("file", "row", SERVER_ID, "column", "value", "reason")
_FILES = (
    "file", "kind", "sha256", "refused", "problem", "rows_read", "rows_used", "rows_rejected", "duplicates",
    "values_rejected", "rejected_share", "reasons",
)  # fmt: skip
_CHAMPIONS = (
    "version", "kind", "model_as_of", "age_days", "action", "reason", "challenger", "ratio", "series_compared",
    "series_known", "series_not_trained", "previous_as_of", "relative_mae", "coverage_80", "coverage_95",
)  # fmt: skip
_SEGMENTS = (SERVER_ID, BUSINESS_UNIT, "segment", "name", "distance", "reason")
_DECISIONS = (
    SERVER_ID, "state", "action", "to_type", "to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share", "promised",
    "currency", "advised", "at", "by", "note",
)  # fmt: skip
_REALISED = (SERVER_ID, "action", "promised", "achieved", "currency", "since")


@dataclass(frozen=True)
class Column:
    """A column, or a partition key. type: Athena's word for it."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True)
class Table:
    """An external table over Parquet of the lake.

    dataset: the folder of the lake it reads.  location: where that lies, ending in a slash.  properties: TBLPROPERTIES,
    projection and the template of places included.  fleet: only the partitions of the whole fleet are in it.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]
    location: str
    properties: dict[str, str] = field(hash=False)
    dataset: str = ""
    fleet: bool = False


@dataclass(frozen=True)
class _Plan:
    """A table but for the store. per: what splits it (unit | fleet | month | nothing)."""

    dataset: str
    per: str
    comment: str
    columns: tuple[str, ...]


def tables(store: str, business_units: Sequence[str], settings: Settings | None = None) -> tuple[Table, ...]:
    """Every table of a lake.

    store: s3://bucket/prefix, or any text that stands for one (it is not read).  business_units: their names; further
    ones need new tables, or `ALTER TABLE ... SET TBLPROPERTIES`.  settings: whose metrics and horizons have columns.
    Raises UsageError where no business unit is given.
    """
    if not business_units:
        raise UsageError("tables for Athena need the names of the business units: none was given")
    units = [unit_segment(name) for name in sorted(set(business_units))]
    return tuple(_table(name, plan, store.rstrip("/"), units) for name, plan in _plans(settings or Settings()).items())


def _plans(settings: Settings) -> dict[str, _Plan]:
    observed = tuple(f"{metric}_{each}" for metric in settings.metrics for each in schema.STATISTICS)
    spans = {Cadence.DAILY: settings.risk.horizons_daily, Cadence.HOURLY: settings.risk.horizons_hourly}
    stated = tuple(
        schema.probability_column(level, span, cadence)
        for cadence, horizons in spans.items() for level in ("high", "very_high") for span in horizons
    )  # fmt: skip
    days = {*settings.risk.horizons_daily, *(hours // 24 for hours in settings.risk.horizons_hourly if hours >= 24)}
    warned = tuple(f"p_{each}d" for each in sorted(days))
    plans = {
        "raw_observations": ("raw/observations", "month", "Observations as they arrived: a later arrival counts",
                             (SERVER_ID, schema.TIMESTAMP, *observed, schema.INGESTED_AT)),
        "raw_inventory": ("raw/inventory", "", "Inventory as it arrived, a dated row per change",
                          (SERVER_ID, *_INVENTORY, schema.RENAMED_FROM)),
        "inventory": ("inventory", "unit", "Inventory in force at as_of, a row per server",
                      (SERVER_ID, *_INVENTORY, "capacity_changed_at", "sizes_filled", "sizes_conflict")),
        "processed": ("processed", "unit", "Snapshot a run forecast from: regular, null = not observed",
                      (SERVER_ID, schema.TIMESTAMP, *observed)),
        "quality": ("quality", "unit", "Verdict on each series, and why", schema.SERIES_COLUMNS),
        "forecasts": ("forecasts", "unit", "Quantiles and mean of what comes next, by series and time", _FORECAST),
        "backtests": ("backtests", "unit", "How good past forecasts were, by series", schema.BACKTEST_COLUMNS),
        "risks": ("risks", "unit", "Breach probabilities and tier of each series", (*schema.RISK_COLUMNS, *stated)),
        "servers": ("servers", "unit", "Tier of each server, by its worst metric", (SERVER_ID, *_SERVERS, *stated)),
        "warnings": ("warnings", "unit", "What would have been said at past origins, and what came",
                     (*schema.WARNING_COLUMNS, *warned)),
        "anomalies": ("anomalies", "unit", "Incident spikes and level shifts", schema.ANOMALY_COLUMNS),
        "champions": ("champions", "unit", "Which model forecast, and why", _CHAMPIONS),
        "drift": ("drift", "unit", "Does the model still fit: one row per check and metric", schema.DRIFT_COLUMNS),
        "drift_series": ("drift_series", "unit", "Series over their own drift limit", schema.DRIFT_SERIES_COLUMNS),
        "consolidation": ("consolidation", "unit", "Packing onto fewer hosts", schema.CONSOLIDATION_COLUMNS),
        "packing": ("packing", "unit", "Where each packed server goes", schema.PACKING_COLUMNS),
        "pools": ("pools", "unit", "Supply and demand of a business unit's regions", schema.POOL_COLUMNS),
        "demand": ("demand", "unit", "Demand of pools by day", schema.DEMAND_COLUMNS),
        "pool_sums": ("pools", "fleet", "Sums of pools: _all regions, _fleet = all units", schema.POOL_COLUMNS),
        "demand_sums": ("demand", "fleet", "Sums of demand by day, likewise", schema.DEMAND_COLUMNS),
        "scorecard": ("scorecard", "fleet", "How often warnings came true", schema.SCORECARD_COLUMNS),
        "reliability": ("reliability", "fleet", "Stated against observed frequency", schema.RELIABILITY_COLUMNS),
        "actions": ("actions", "fleet", "What each server should become, and why", schema.ACTION_COLUMNS),
        "savings": ("savings", "fleet", "Sums of money over actions", schema.SAVING_COLUMNS),
        "bounds": ("bounds", "fleet", "The rule of sizes replayed at past origins", schema.BOUND_COLUMNS),
        "segments": ("segments", "fleet", "Which group each server is in", _SEGMENTS),
        "lifecycle": ("lifecycle", "fleet", "What people decided on earlier advice", _DECISIONS),
        "realised": ("realised", "fleet", "Advice that was followed", _REALISED),
        "quarantine": ("quarantine", "fleet", "Rows of the source set aside, and why", _QUARANTINE),
        "validation": ("validation", "fleet", "Files read, and what became of their rows", _FILES),
    }  # fmt: skip
    return {name: _Plan(*plan) for name, plan in plans.items()}


def _table(name: str, plan: _Plan, store: str, units: list[str]) -> Table:
    location = f"{store}/{plan.dataset}/"
    keys, projection, place = _partitions(plan.per, units)
    properties = {"classification": "parquet", **projection}
    if keys:
        properties |= {"projection.enabled": "true", "storage.location.template": f"{location}{place}"}
    here = {key.name for key in keys}
    dataset = plan.dataset.split("/")[0]
    columns = tuple(Column(each, column_type(dataset, each)) for each in plan.columns if each not in here)
    return Table(name, plan.comment, columns, keys, location, properties, plan.dataset, plan.per == "fleet")


def _partitions(per: str, units: list[str]) -> tuple[tuple[Column, ...], dict[str, str], str]:
    """Partition keys, their projection, and the place of a partition below the dataset."""
    cadence = {"projection.cadence.type": "enum", "projection.cadence.values": ",".join(Cadence)}
    keys: tuple[Column, ...] = (Column("cadence", TEXT, "daily or hourly"),)
    if per == "":
        return (), {}, ""
    if per == "month":
        month = _days("month", "yyyy-MM", FIRST_MONTH, "MONTHS")
        return (*keys, Column("month", TEXT, "yyyy-mm")), cadence | month, "cadence=${cadence}/month=${month}/"
    days = _days("as_of", "yyyy-MM-dd", FIRST_DAY, "DAYS")
    keys = (*keys, Column("as_of", TEXT, "cut-off of the run, yyyy-mm-dd, UTC, exclusive"))
    place = "cadence=${cadence}/as_of=${as_of}/"
    if per == "fleet":
        return keys, cadence | days, f"{place}business_unit={FLEET}/"
    unit = {"projection.business_unit.type": "enum", "projection.business_unit.values": ",".join(units)}
    keys = (*keys, Column(BUSINESS_UNIT, TEXT, "percent-encoded: url_decode gives the name"))
    return keys, cadence | days | unit, f"{place}business_unit=${{business_unit}}/"


def _days(name: str, form: str, first: str, unit: str) -> dict[str, str]:
    """Projection of a date; up to tomorrow (next month), since a cut-off is exclusive."""
    return {
        f"projection.{name}.type": "date", f"projection.{name}.format": form,
        f"projection.{name}.range": f"{first},NOW+1{unit}",
        f"projection.{name}.interval": "1", f"projection.{name}.interval.unit": unit,
    }  # fmt: skip


def ddl(table: Table, database: str | None = None) -> str:
    """CREATE EXTERNAL TABLE of a table, as Athena and Hive take it."""
    parts = [f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(table, database)} (\n{_columns(table.columns)}\n)"]
    parts.append(f"COMMENT {_quoted(table.comment)}")
    if table.partitions:
        parts.append(f"PARTITIONED BY (\n{_columns(table.partitions)}\n)")
    properties = ",\n".join(f"  {_quoted(key)}={_quoted(value)}" for key, value in table.properties.items())
    parts += ["STORED AS PARQUET", f"LOCATION {_quoted(table.location)}", f"TBLPROPERTIES (\n{properties}\n)"]
    return "\n".join(parts)


def drop(table: Table, database: str | None = None) -> str:
    """DROP of a table, as Athena and Hive take it; what an external table reads stays where it is."""
    return f"DROP TABLE IF EXISTS {_name(table, database)}"


def _name(table: Table, database: str | None) -> str:
    return f"`{database}`.`{table.name}`" if database else f"`{table.name}`"


def _columns(columns: tuple[Column, ...]) -> str:
    return ",\n".join(
        f"  `{each.name}` {each.type}" + (f" COMMENT {_quoted(each.comment)}" if each.comment else "")
        for each in columns
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
