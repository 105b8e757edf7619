"""Sheets on pools, warnings and anomalies; a sheet without rows says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from capforecast.report import columns_evidence as spelled
from capforecast.report.anomaly_marks import KIND_NAMES
from capforecast.report.columns import Column
from capforecast.report.data import ReportData, breach_dates
from capforecast.report.native_charts import pool_charts
from capforecast.report.pooling import POOL_REASONS, RESOURCE_NAMES, is_sum, resource_unit
from capforecast.report.sheets import Over, Sheets
from capforecast.report.track_record import rule_name
from capforecast.schema import ALL_REGIONS, BUSINESS_UNIT, FLEET, METRIC, REGION, SERVER_ID

MOST_ANOMALIES = 50_000  # the latest
SHORT = (Over("demand_now", "pool_peak_q90", "usable"),)
OVER_USABLE = (Over("demand_q50", "demand_q50", "usable", "far_over"), Over("demand_q10", "demand_q975", "usable"))
NOT_PRINTED = "Not printed, for its length: the sheet Pools has a line for each pool, Pool charts draws the tightest."
NO_RECORD = "No track record yet: history is too short to replay past warnings and see what came."
NO_POOL = "No pool can be shown: the inventory gives no server's vCPUs or memory."
NO_SUMS = "No sums over pools: a business unit is missing, or there is no pool."
NO_ANOMALY = "Nothing was marked in the history."


def write_evidence(sheets: Sheets, data: ReportData) -> None:
    """Write the sheets. Sums of pools have their own, so that a column of pools adds up to the fleet."""
    pools, sums = _apart(_pools(data))
    demand, summed = _apart(_demand(data.demand))
    printed = spelled.POOLS_PRINTED
    _write(sheets, "Pools", pools, spelled.POOLS, NO_POOL, printed, dataset="pools", over=SHORT)
    if len(demand):
        by_key = demand.assign(resource=data.demand["resource"].reindex(demand.index))
        pool_charts(sheets, data.summary.pools, by_key, spelled.DEMAND, "Demand by date")
    _write(sheets, "Pool sums", sums, spelled.POOLS, NO_SUMS, printed, dataset="pools", over=SHORT)
    by_date: dict[str, Any] = {"dataset": "demand", "over": OVER_USABLE, "on_paper": NOT_PRINTED}
    _write(sheets, "Demand by date", demand, spelled.DEMAND, NO_POOL, **by_date)
    _write(sheets, "Demand sums by date", summed, spelled.DEMAND, NO_SUMS, **by_date)
    scores, bins = _scorecard(data.scorecard), _reliability(data.reliability)
    _write(sheets, "Scorecard", scores, spelled.SCORECARD, NO_RECORD, spelled.SCORECARD_PRINTED, dataset="scorecard")
    _write(sheets, "Reliability", bins, spelled.RELIABILITY, NO_RECORD, dataset="reliability")
    marks = _anomalies(data.anomalies)
    _write(sheets, "Anomalies", marks, spelled.ANOMALIES, NO_ANOMALY, dataset="anomalies", most=MOST_ANOMALIES)


def _write(
    sheets: Sheets,
    name: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    empty: str,
    printed: int = 0,
    **options: Any,
) -> None:
    """A sheet of exactly these columns; one that the frame lacks is empty."""
    sheets.table(
        name, frame.reindex(columns=[column.key for column in columns]), list(columns), empty, printed, **options
    )


def _pools(data: ReportData) -> pd.DataFrame:
    """Pools in the summary's order, then sums."""
    table = data.pools
    if not len(table):
        return table
    place = {(p.business_unit, p.region, p.resource): i for i, p in enumerate(data.summary.pools)}
    keys = list(zip(table[BUSINESS_UNIT], table[REGION], table["resource"], strict=True))
    order = pd.Series([place.get(key, len(place)) for key in keys], index=table.index)
    table = table.loc[order.sort_values(kind="stable").index]
    dates = {f"out_{q}": breach_dates(table[f"days_q{q}"], data.summary) for q in (10, 50, 90)}
    renamed = {"peak_q50": "pool_peak_q50", "peak_q90": "pool_peak_q90", "horizon_days": "pool_horizon",
               "paths": "pool_paths"}  # fmt: skip
    reasons = table["reason"].map(lambda reason: POOL_REASONS.get(reason, reason))
    return _named(table.rename(columns=renamed).assign(**dates, reason=reasons))


def _demand(table: pd.DataFrame) -> pd.DataFrame:
    if not len(table):
        return table
    return _named(table.sort_values([BUSINESS_UNIT, REGION, "resource", "date"], kind="stable"))


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Resources with their unit."""
    names = {resource: f"{RESOURCE_NAMES[resource]}, {resource_unit(resource)}" for resource in RESOURCE_NAMES}
    return table.assign(resource=table["resource"].map(lambda resource: names.get(resource, resource)))


def _apart(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of pools, and of sums with names that readers know."""
    if not len(table):
        return table, table
    sums = is_sum(table)
    named = table[sums].assign(
        **{
            BUSINESS_UNIT: table[BUSINESS_UNIT].replace(FLEET, "(fleet)"),
            REGION: table[REGION].replace(ALL_REGIONS, "(all)"),
        }
    )
    return table[~sums], named


def _scorecard(table: pd.DataFrame) -> pd.DataFrame:
    if not len(table):
        return table
    return _scoped(table).assign(rule=table["rule"].map(rule_name))


def _reliability(table: pd.DataFrame) -> pd.DataFrame:
    return _scoped(table[table["cases"] > 0]) if len(table) else table


def _scoped(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(scope=table["scope"].str.replace("_", " "), level=table["level"].str.replace("_", " "))


def _anomalies(table: pd.DataFrame) -> pd.DataFrame:
    """The latest first."""
    if not len(table):
        return table
    latest = table.sort_values(["began", SERVER_ID, METRIC], ascending=[False, True, True], kind="stable")
    return latest.assign(kind=latest["kind"].map(lambda kind: KIND_NAMES.get(kind, kind)))
