"""Made-up report inputs of any size, the same every time; figures hang together as those of a real run do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.report.data import FanChart, ReportData
from capforecast.report.sentences import risk_sentence
from capforecast.report.summary import Accuracy, Quality, Risk, RollUp, RunSummary, Tiers, UnitSummary
from capforecast.risk.rule import Rule
from capforecast.schema import BACKTEST_COLUMNS, TIER_ORDER

AS_OF = "2026-01-05T00:00:00Z"
ORIGIN = pd.Timestamp("2026-01-04")  # the last day seen
NASTY = "<script>alert('x')</script> & $co_{st}$ 北京"
LONG = "-".join(["a-server-whose-name-somebody-generated"] * 4)[:120]
P_COLUMNS = [f"p_{level}_{h}d" for level in ("high", "very_high") for h in (7, 14, 30, 60, 90)]


def tiers_of(frame: pd.DataFrame) -> Tiers:
    counts = frame["tier"].value_counts()
    return Tiers(**{t: int(counts.get(t, 0)) for t in TIER_ORDER})


def servers_frame(
    n: int = 60,
    units: int = 4,
    regions: int = 3,
    shares: tuple[float, ...] = (0.06, 0.09, 0.15, 0.6, 0.1),
    seed: int = 1,
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tier = rng.choice([t.value for t in TIER_ORDER], n, p=shares)
    known = tier != "unknown"
    base = {"critical": 0.8, "high": 0.6, "watch": 0.25, "ok": 0.03, "unknown": np.nan}
    final = np.clip(np.array([base[t] for t in tier]) + rng.uniform(-0.03, 0.2, n), 0, 1)
    names = ["Retail Banking", "Logistics", "Online Shop", "Research & Development"]
    frame = pd.DataFrame(
        {
            "server_id": [f"srv-{i:04d}" for i in range(n)],
            "business_unit": [names[i] if i < 4 else f"Business unit {i:02d}" for i in rng.integers(0, units, n)],
            "region": [f"eu-west-{i + 1}" for i in rng.integers(0, regions, n)],
            "criticality": rng.choice(["gold", "silver", "bronze"], n),
            "tier": tier,
            "metric": np.where(known, rng.choice(["cpu", "mem", "disk"], n), ""),
            "statistic": np.where(known, "p95", ""),
            "reason": np.where(known, "", rng.choice(["too_short", "stale", "gappy"], n)),
            "flags": "",
            "last_value": np.where(known, rng.uniform(30, 95, n), np.nan),
            "threshold_high": np.where(known, 80.0, np.nan),
            "threshold_very_high": np.where(known, 90.0, np.nan),
            "in_breach_high": (tier == "critical") & (rng.uniform(size=n) < 0.5),
            "in_breach_very_high": False,
            "days_q10": np.where(final >= 0.1, 90 * (1 - final) / 2 + 1, np.nan).round(),
            "days_q50": np.where(final >= 0.5, 90 * (1 - final) + 5, np.nan).round(),
            "days_q90": np.where(final >= 0.9, 80.0, np.nan),
            "horizon_days": np.where(known, 90.0, np.nan),
            "peak_q50": np.where(known, 70.0, np.nan),
            "peak_q90": np.where(known, 85.0, np.nan),
            "capacity_remaining": np.where(known, rng.uniform(0, 40, n), np.nan),
            "paths": np.where(known, 240, 0),
            "relative_mae": np.where(known, rng.uniform(0.6, 1.1, n), np.nan),
            "coverage_80": np.where(known, rng.uniform(0.7, 0.9, n), np.nan),
            "environment": "production",
            "owner": "team-" + pd.Series(rng.integers(1, 9, n)).astype("str"),
            "instance_type": "m6i.large",
            "vcpus": 2.0,
            "memory_gib": 8.0,
        }
    )
    frame["probability_high"] = final
    frame["probability_very_high"] = final * 0.7
    for column in P_COLUMNS:
        share = int(column.split("_")[-1][:-1]) / 90 * (0.7 if "very" in column else 1.0)
        frame[column] = final * share
    return frame


def fan(server: str = "srv-0001", *, days: int = 400, horizon: int = 90, probable: bool = True, unit: str = "percent",
        seed: int = 0) -> FanChart:  # fmt: skip
    rng = np.random.default_rng(seed)
    t = np.arange(days + horizon)
    level = 45 + 25 * t / days + 8 * np.sin(2 * np.pi * t / 7)
    values = np.clip(level + rng.normal(0, 4, t.size), 0, 100)
    history = values[:days].copy()
    if days > 140:
        history[-140:-130] = np.nan
        history[-60] = np.nan
    spread = 4 + 0.12 * np.arange(horizon)
    quantiles = np.stack([level[days:] + z * spread for z in (-1.96, -1.28, 0, 1.28, 1.96, 0.1)]).clip(0, 130)
    stamps = pd.date_range(end=pd.Timestamp(AS_OF) + pd.Timedelta(days=horizon - 1), periods=t.size, freq="D")
    return FanChart(
        server_id=server, metric="cpu", statistic="p95", unit=unit, business_unit="Retail Banking", region="eu-west-1",
        tier="critical" if probable else "watch",
        sentence="CPU p95 at 72.3 %: 6 in 10 chance of staying above 90 % by 3 Feb; 8 in 10 chance of staying above "
        "80 % by 4 Apr, 5 in 10 by 8 Feb, 1 in 10 by 13 Jan; it has climbed 1.1 points a month since August",
        history_timestamps=stamps[:days], history=history.astype("float32"), forecast_timestamps=stamps[days:],
        quantiles=quantiles.astype("float32"), threshold_high=80.0, threshold_very_high=90.0, days_q10=9.0,
        days_q50=35.0 if probable else None, days_q90=None,
    )  # fmt: skip


def _risk(row: pd.Series) -> Risk:
    def figure(name: str) -> float | None:
        return None if pd.isna(row[name]) else float(row[name])

    risk = Risk(
        server_id=row.server_id, business_unit=row.business_unit, region=row.region, criticality=row.criticality,
        tier=row.tier, metric=row.metric, statistic="p95", unit="percent", last_value=figure("last_value"),
        threshold=80.0, in_breach=bool(row.in_breach_high), probability=figure("p_high_90d"),
        probability_very_high=figure("p_very_high_30d"), horizon_days=90.0, days_q10=figure("days_q10"),
        days_q50=figure("days_q50"), days_q90=figure("days_q90"), peak_q90=figure("peak_q90"),
        capacity_remaining=figure("capacity_remaining"), paths=240, relative_mae=figure("relative_mae"),
        coverage_80=figure("coverage_80"),
        sentence="", trend_per_month=1.13, trend_since="2025-08-11",
    )  # fmt: skip
    now = "high" if row.in_breach_high else None
    said = risk_sentence(risk, ORIGIN, 90.0, now, 30.0, Rule(3, 7), 30.0)
    return risk.model_copy(update={"sentence": said})


def accuracy_row(metric: str, unit: str | None = None, relative: float = 0.82) -> Accuracy:
    return Accuracy(
        business_unit=unit, metric=metric, series=57, origins=12, mae=5.1 * relative, mae_naive=5.1, rmse=6.2,
        wape=0.093, mape_floored=11.2, mase=0.86, relative_mae=relative, skill=1 - relative, coverage_80=0.793,
        coverage_95=0.94,
    )  # fmt: skip


def summary_of(servers: pd.DataFrame, *, failed: tuple[str, ...] = (), accuracy: list[Accuracy] | None = None,
               title: str = "Weekly capacity report", organisation: str = "Example Corp") -> RunSummary:  # fmt: skip
    rank = {t.value: i for i, t in enumerate(TIER_ORDER)}
    worst = servers[servers["tier"].isin(["critical", "high", "watch"])].copy()
    worst = worst.assign(rank=worst["tier"].map(rank)).sort_values(["rank", "p_high_90d"], ascending=[True, False])
    units = [
        UnitSummary(
            name=str(name), status="finished", problem=None, servers=len(part), series=3 * len(part),
            tiers=tiers_of(part), unknown_reasons=_reasons(part),
        )
        for name, part in servers.groupby("business_unit")
    ]  # fmt: skip
    units += [
        UnitSummary(
            name=name, status="failed", problem="LakeError: the store did not answer within 30 s", servers=0, series=0,
            tiers=Tiers(), unknown_reasons={},
        )
        for name in failed
    ]  # fmt: skip
    return RunSummary(
        product_version="0.1.0", as_of=AS_OF, cadence="daily", horizon="90 d", title=title, organisation=organisation,
        complete=not failed, servers=len(servers), series=3 * len(servers), tiers=tiers_of(servers),
        unknown_reasons=_reasons(servers), business_units=units, by_region=_roll(servers, ["region"]),
        by_criticality=_roll(servers, ["criticality"]), by_unit_and_region=_roll(servers, ["business_unit", "region"]),
        top_risks=[_risk(row) for _, row in worst.head(20).iterrows()],
        accuracy=accuracy if accuracy is not None else [
            accuracy_row("cpu"), accuracy_row("mem", relative=0.74), accuracy_row("disk", relative=1.04),
            accuracy_row("cpu", "Logistics", 0.9),
        ],
        models={"prophet": 1_620, "fleet": 12},
        quality=Quality(
            rows_read=1_234_567, rows_rejected=321, duplicates=12,
            rejected_by_reason={"value is not a number": 300, "timestamp is unreadable": 21},
        ),
        definitions={
            "breach": "Above the threshold on at least 3 of 7 consecutive days (disk: one day).",
            "breach probability": "Share of sample paths over the horizon in which the breach rule fires.",
            "critical": "In breach of very_high (90 %) now, or P(30 d, very_high) of at least 50 %.",
            "high": "In breach of high (80 %) now, or P(90 d, high) of at least 50 %.",
            "watch": "P(90 d, high) of at least 10 %.",
            "relative MAE": "MAE over seasonal naive's MAE on the same points; geometric mean over series.",
        },
    )  # fmt: skip


def _reasons(frame: pd.DataFrame) -> dict[str, int]:
    counts = frame.loc[frame["tier"] == "unknown", "reason"].value_counts()
    return {str(k): int(v) for k, v in counts.items()}


def _roll(servers: pd.DataFrame, keys: list[str]) -> list[RollUp]:
    found = []
    for values, part in servers.groupby(keys):
        found.append(RollUp(**dict(zip(keys, values, strict=True)), servers=len(part), tiers=tiers_of(part)))
    return found


def backtests_frame(servers: pd.DataFrame) -> pd.DataFrame:
    frame = servers.loc[servers["tier"] != "unknown", ["server_id", "metric", "business_unit", "region", "criticality"]]
    frame = frame.reset_index(drop=True).assign(bucket="all", origins=12, points=1080)
    for i, name in enumerate(BACKTEST_COLUMNS[8:]):
        frame[name] = 0.5 + 0.1 * i
    return frame


def report_data(servers: pd.DataFrame | None = None, *, fans: int = 2, **summary: object) -> ReportData:
    frame = servers_frame() if servers is None else servers
    whole = summary_of(frame, **summary)  # type: ignore[arg-type]
    charts = [fan(r.server_id, seed=i, probable=r.tier != "watch") for i, r in enumerate(whole.top_risks[:fans])]
    risks = frame.assign(verdict=np.where(frame["tier"] == "unknown", "unknown", "ok"))
    return ReportData(whole, frame, risks, backtests_frame(frame), charts, sources_frame())


def sources_frame() -> pd.DataFrame:
    """What became of the rows of two files."""
    names = ["file", "kind", "refused", "problem", "rows_read", "rows_used", "rows_rejected", "duplicates",
             "values_rejected", "rejected_share", "reasons"]  # fmt: skip
    rows = [("data/a.csv", "observations", False, "", 100, 90, 4, 6, 2, 0.04, "off_grid 4, infinite 2"),
            ("data/b.csv", "observations", True, "data/b.csv: the file is empty", 0, 0, 0, 0, 0, 0.0,
             "unusable_file 1")]  # fmt: skip
    return pd.DataFrame(rows, columns=names)
