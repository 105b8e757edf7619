"""Tables of past warnings for RESULTS.md, and figures that the product's scorecard does not hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from page import table

from capforecast.risk import scorecard as rules
from capforecast.risk.equal_alarms import hits_at
from capforecast.risk.resampling import interval, server_draws
from capforecast.risk.rule_scores import brier_skill
from capforecast.schema import SERVER_ID

Rows = list[list[str]]


def fleet_rows(rows: pd.DataFrame, rule: str, level: str = "both") -> pd.DataFrame:
    """Rows of everything together for one rule, by horizon."""
    chosen = (rows["scope"] == "fleet") & (rows["level"] == level) & (rows["rule"] == rule)
    return rows[chosen].set_index("horizon_days")


def between(value: float, low: float, high: float) -> str:
    """A figure with its interval."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(value) else "-"


def probabilities(rows: pd.DataFrame, level: str = "both") -> list[str]:
    """Table of our probabilities and the logistic's by horizon."""
    ours, other = (fleet_rows(rows, rule, level) for rule in (rules.OURS, rules.LOGISTIC))
    head = ["h", "events / cases", "base rate", "mean P", "ECE (floor)", "Brier skill [95 %]", "logistic's skill"]
    return table(
        head,
        [
            [
                f"{h} d", f"{row['events']:,} / {row['cases']:,}", f"{100 * row['base_rate']:.1f} %",
                f"{100 * row['mean_probability']:.1f} %", f"{row['calibration_error']:.3f} ({row['chance_floor']:.3f})",
                between(row["brier_skill"], row["skill_low"], row["skill_high"]),
                f"{other.loc[h, 'brier_skill']:.2f}",
            ]
            for h, row in ours.iterrows()
        ],
    )  # fmt: skip


def beside(rows: pd.DataFrame, horizon: int, level: str = "both") -> list[str]:
    """Table of the rules at one horizon, ours at their false alarms."""
    head = [
        f"{horizon} d",
        "warned",
        "precision",
        "recall [95 %]",
        "false alarms",
        "lead, d",
        "our recall",
        "ratio [95 %]",
    ]
    part = rows[(rows["scope"] == "fleet") & (rows["level"] == level) & (rows["horizon_days"] == horizon)]
    lines = [
        [
            row["rule"], f"{row['warned']:,.0f}", f"{row['precision']:.2f}",
            between(row["recall"], row["recall_low"], row["recall_high"]), f"{row['false_alarms']:.1f}",
            f"{row['lead_days']:.0f}", f"{row['our_recall']:.2f}",
            between(row["recall_ratio"], row["ratio_low"], row["ratio_high"]),
        ]
        for row in part.to_dict("records")
    ]  # fmt: skip
    return table(head, [[cell.replace("nan", "-") for cell in line] for line in lines])


def by_set(rows: pd.DataFrame, horizons: Sequence[int]) -> list[str]:
    """Table of our probabilities by data set."""
    part = rows[(rows["scope"] == "business_unit") & (rows["rule"] == rules.OURS) & (rows["level"] == "both")]
    head = ["data set"]
    for h in horizons:
        head += [f"{h} d: events / cases", "mean P / rate", "ECE", "skill"]
    lines = []
    for name, group in part.groupby("name", sort=True):
        cells, found = [str(name)], group.set_index("horizon_days")
        for h in horizons:
            row = found.loc[h]
            pair = f"{100 * row['mean_probability']:.1f} / {100 * row['base_rate']:.1f} %"
            cells += [f"{row['events']:,} / {row['cases']:,}", pair, f"{row['calibration_error']:.3f}"]
            cells.append(f"{row['brier_skill']:.2f}" if np.isfinite(row["brier_skill"]) else "-")
        lines.append(cells)
    return table(head, lines)


def skill_lead(cases: pd.DataFrame, horizon: int) -> tuple[float, float, float]:
    """Brier skill of ours less the logistic's, with the paired bootstrap over servers."""
    known = rules.at_horizon(cases.assign(tier=""), horizon).dropna(subset=["logistic"])
    server, names = pd.factorize(known[SERVER_ID], sort=True)
    weights, event = server_draws(len(names)), known["event"].to_numpy(dtype=bool)
    stratum = pd.factorize(known["level"], sort=True)[0].astype(np.int64)
    ours, other = (
        brier_skill(known[name].to_numpy(), event, server.astype(np.int64), stratum, weights)
        for name in ("p", "logistic")
    )
    low, high = interval((ours - other)[1:])
    return float((ours - other)[0]), low, high


def date_shares(cases: pd.DataFrame, horizon: int) -> Rows:
    """Of the 10 and 50 % dates: share breached by then where shown, and among all, beside what was stated."""
    known = cases[cases[f"p_{horizon}d"].notna() & (cases["observed_days"] >= horizon)]
    stated = known[f"p_{horizon}d"]
    out = []
    for percent in (10, 50):
        date = known[f"days_q{percent}"]
        came = known["event_days"] <= date.fillna(horizon)
        shown = date.notna()
        meant = np.minimum(stated, percent / 100).mean()
        out.append([f"q{percent}", f"{shown.sum():,}", f"{came[shown].mean():.3f}", f"{percent / 100:.2f}",
                    f"{came.mean():.3f}", f"{meant:.3f}"])  # fmt: skip
    return out


def share_at(cases: pd.DataFrame, horizon: int, rule: str, level: str) -> tuple[float, float]:
    """Recall of the share of the last 365 days above, and of ours, at a rule's number of false alarms."""
    known = rules.at_horizon(cases.assign(tier=""), horizon)
    known = known[known["level"] == level]
    event = known["event"].to_numpy(dtype=bool)
    told = known[{"line 28 d": "line_28", "line 90 d": "line_90"}[rule]].to_numpy() <= horizon
    server, one = np.zeros(len(known), np.int64), np.ones((1, 1))
    wanted = np.array([[float((told & ~event).sum())]])
    found = [hits_at(known[name].to_numpy(), event, server, one, wanted)[0, 0] for name in ("above_share", "p")]
    return tuple(hits / max(event.sum(), 1) for hits in found)  # type: ignore[return-value]
