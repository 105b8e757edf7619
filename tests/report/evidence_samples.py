"""Made-up scorecards, pools and anomalies, the same every time; figures hang together as those of a real run do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from report_samples import ORIGIN

from capforecast.report.data import Mark, ReportData
from capforecast.report.inputs import Evidence
from capforecast.report.pooling import pool_summaries, pool_sums
from capforecast.report.terms import evidence_terms
from capforecast.report.track_record import track_record
from capforecast.risk.warnings_by_origin import ORIGIN_COLUMNS
from capforecast.schema import (
    ANOMALY_COLUMNS,
    DEMAND_COLUMNS,
    POOL_COLUMNS,
    QUANTILE_NAMES,
    RELIABILITY_COLUMNS,
    SCORECARD_COLUMNS,
)
from capforecast.settings import Settings

ORIGINS = {days: [ORIGIN - pd.Timedelta(days=days + 28 * i) for i in range(6)] for days in (30, 90)}
RULES = {  # rule: precision, recall, ours at its false alarms
    "capforecast": (0.66, 0.38, None),
    "line 28 d": (0.557, 0.393, 0.505),
    "line 90 d": (0.578, 0.279, 0.409),
    "near threshold": (0.437, 0.817, 0.784),
    "often above": (0.41, 0.44, 0.47),
    "one-number logistic": (0.6, 0.33, 0.39),
    "flag everything": (0.12, 1.0, 1.0),
}


def score_row(rule: str = "capforecast", **changes: Any) -> dict[str, Any]:
    """A row of the scorecard; what hangs together is computed."""
    precision, recall, ours = RULES.get(rule, (0.5, 0.5, None))
    row: dict[str, Any] = {
        "scope": "fleet", "name": "", "level": "both", "horizon_days": 90, "rule": rule, "servers": 54, "series": 160,
        "origins": 6, "cases": 1800, "events": 240, "precision": precision, "recall": recall, "lead_days": 21.0,
        "brier": 0.08, "brier_skill": 0.31, "skill_low": 0.27, "skill_high": 0.36, "calibration_error": 0.018,
        "chance_floor": 0.012, "mean_probability": 0.141, "our_recall": np.nan, "recall_ratio": np.nan,
        "ratio_low": np.nan, "ratio_high": np.nan,
    } | changes  # fmt: skip
    row.setdefault("base_rate", row["events"] / row["cases"] if row["cases"] else np.nan)
    if "warned" not in row:
        row["warned"] = round(row["recall"] * row["events"] / row["precision"])
    row |= {"recall_low": row["recall"] - 0.06, "recall_high": min(row["recall"] + 0.06, 1.0)}
    row.setdefault("false_alarms", round(row["warned"] * (1 - row["precision"]) / 3.24, 3))
    if ours is not None:
        ratio = ours / recall
        row |= {"our_recall": ours, "recall_ratio": ratio, "ratio_low": ratio * 0.86, "ratio_high": ratio * 1.14}
    if rule not in ("capforecast", "one-number logistic"):
        row |= dict.fromkeys(("brier", "brier_skill", "skill_low", "skill_high", "calibration_error", "chance_floor",
                              "mean_probability"), np.nan)  # fmt: skip
    return row


def scorecard_frame(**changes: Any) -> pd.DataFrame:
    """Every rule at 30 and 90 d, and ours by metric."""
    rows = []
    for days, events, mean in ((30, 96, 0.058), (90, 240, 0.141)):
        about = {"horizon_days": days, "events": events, "mean_probability": mean, "lead_days": days / 4}
        rows += [score_row(rule, **(about | changes)) for rule in RULES]
        rows += [score_row(scope="metric", name=m, **(about | changes)) for m in ("cpu", "mem")]
    return pd.DataFrame(rows)[list(SCORECARD_COLUMNS)]


def reliability_frame(bend: float = 1.0) -> pd.DataFrame:
    """Ten bins at 30 and 90 d; bend 1 = calibrated, 0.5 = half of what is stated comes."""
    rows = []
    for days, scale in ((30, 900), (90, 700)):
        for i in range(10):
            stated = 0.05 + 0.1 * i
            cases = max(int(scale * np.exp(-0.55 * i)), 6)
            rate = float(np.clip(bend * stated + 0.02 * np.sin(3 * i), 0, 1))
            rows.append(("fleet", "", "both", days, i / 10, (i + 1) / 10, cases, stated, rate))
    return pd.DataFrame(rows, columns=list(RELIABILITY_COLUMNS))


def pools_frame(servers: pd.DataFrame) -> pd.DataFrame:
    """A row for each business unit, region and resource of a servers frame; some run out, one has unsized servers."""
    rng = np.random.default_rng(5)
    rows = []
    for (unit, region), part in servers.groupby(["business_unit", "region"]):
        for resource, size in (("vcpu", 2.0), ("memory_gib", 8.0)):
            supply = size * len(part)
            fill = float(rng.uniform(0.45, 1.0))
            usable, now = 0.9 * supply, 0.9 * supply * fill
            chance = float(np.clip((fill - 0.7) / 0.3, 0, 1))
            peak = now * 1.15
            buy = max(peak * 1.25 - usable, 0.0)
            rows.append(
                (unit, region, resource, "", len(part), int(region == "eu-west-2"), 0, 2, supply, usable, now,
                 now * 1.06, peak, chance / 2, chance, 12.0 if chance >= 0.1 else np.nan,
                 47.0 if chance >= 0.5 else np.nan, np.nan, 90.0, buy / 2, buy,
                 ORIGIN - pd.Timedelta(days=18) if buy and chance >= 0.1 else pd.NaT, 500)
            )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(POOL_COLUMNS))
    return frame.assign(buy_by=pd.to_datetime(frame["buy_by"]).dt.tz_localize("UTC"))


def sums_frame(pools: pd.DataFrame) -> pd.DataFrame:
    """The fleet's sum of each resource, as rows of POOL_COLUMNS."""
    added = ["servers", "unsized", "unobserved", "unforecast", "supply", "usable", "demand_now", "peak_q50", "peak_q90"]
    sums = pools.groupby("resource", as_index=False)[added].sum()
    first = pools.iloc[:1].drop(columns=[*added, "resource"]).assign(business_unit="_fleet", region="_all")
    return sums.merge(first, how="cross")[list(POOL_COLUMNS)]


def demand_frame(pools: pd.DataFrame, days: int = 90) -> pd.DataFrame:
    """Demand by date of every pool: a rise with a week in it and a widening band."""
    t = np.arange(1, days + 1)
    parts = []
    for row in pools.to_dict("records"):
        median = row["demand_now"] * (1 + 0.06 * t / days + 0.02 * np.sin(2 * np.pi * t / 7))
        spread = row["demand_now"] * (0.01 + 0.06 * np.sqrt(t / days))
        part = {name: row[name] for name in ("business_unit", "region", "resource")}
        part |= {"date": ORIGIN.tz_localize("UTC") + pd.to_timedelta(t, unit="D"), "usable": row["usable"]}
        part |= {
            f"demand_{q}": median + z * spread
            for q, z in zip(QUANTILE_NAMES, (-1.96, -1.28, 0, 1.28, 1.96), strict=True)
        }
        parts.append(pd.DataFrame(part))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(DEMAND_COLUMNS))
    return frame[list(DEMAND_COLUMNS)]


def anomalies_frame(servers: pd.DataFrame, many: int = 30) -> pd.DataFrame:
    """Spikes and level shifts of the first servers."""
    rows = []
    for i in range(many):
        server = servers.iloc[i % len(servers)]
        kind, size = ("level_shift", 12.0) if i % 3 == 0 else ("spike", 31.5)
        began = ORIGIN.tz_localize("UTC") - pd.Timedelta(days=5 + 6 * i)
        told = began + pd.Timedelta(days=7 if kind == "level_shift" else 0)
        about = [server[name] for name in ("server_id", "business_unit", "region", "criticality")]
        rows.append((about[0], "cpu", *about[1:], kind, told, began, 55.0 + size, 55.0, size))
    return pd.DataFrame(rows, columns=list(ANOMALY_COLUMNS))


def evidence_of(servers: pd.DataFrame) -> Evidence:
    """All of it."""
    pools = pools_frame(servers)
    pools = pd.concat([pools, sums_frame(pools)], ignore_index=True)
    given = (scorecard_frame(), reliability_frame(), ORIGINS, pools, anomalies_frame(servers))
    return Evidence(*given, by_origin=by_origin_frame())


def by_origin_frame() -> pd.DataFrame:
    """Past warnings at 90 d, date by date: they add up to the scorecard's, but for what does not divide by six."""
    rows = [(90, origin.tz_localize("UTC"), 300, 40, 23, 15) for origin in ORIGINS[90]]
    return pd.DataFrame(rows, columns=list(ORIGIN_COLUMNS))


def with_evidence(data: ReportData, evidence: Evidence | None = None) -> ReportData:
    """Report data of report_samples with warnings, pools and anomalies."""
    found = evidence or evidence_of(data.servers)
    tiers = data.summary.tiers
    marks = found.anomalies["kind"].value_counts().sort_index() if len(found.anomalies) else {}
    known = tiers.total - tiers.unknown
    record = track_record(found.scorecard, found.reliability, found.origins, known, found.by_origin)
    pools = pool_summaries(found.pools, ORIGIN) if len(found.pools) else []
    terms = evidence_terms(Settings(), record, pools, len(found.anomalies), 2)
    summary = data.summary.model_copy(
        update={"warnings": record, "pools": pools, "anomalies": {str(k): int(n) for k, n in marks.items()},
                "peaks_unseen": 2, "pool_sums": pool_sums(found.pools, ORIGIN),
                "definitions": data.summary.definitions | terms}
    )  # fmt: skip
    shift = Mark("level_shift", ORIGIN - pd.Timedelta(days=70), 62.0, 12.0)
    spikes = [Mark("spike", ORIGIN - pd.Timedelta(days=days), 88.0, 30.0) for days in (30, 101)]
    fans = [dataclasses.replace(fan, marks=(spikes[1], shift, spikes[0]), peaks_unseen="year end") for fan in data.fans]
    demand = demand_frame(found.pools) if len(found.pools) else pd.DataFrame()
    return dataclasses.replace(
        data, summary=summary, fans=fans, scorecard=found.scorecard, reliability=found.reliability, pools=found.pools,
        demand=demand, anomalies=found.anomalies,
    )  # fmt: skip
