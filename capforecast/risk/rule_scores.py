"""Figures of the rules over one set of cases: precision, recall, Brier skill, calibration, and ours at equal
false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capforecast.risk.calibration_scores import BINS, Reliability, brier
from capforecast.risk.equal_alarms import hits_at
from capforecast.risk.resampling import interval, per_server, ratio, server_draws
from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cases:
    """Cases of one scope and level at one horizon; arrays are [C].

    stratum: a case's metric and level, whose base rate a probability has to beat.  told: by rule, did it warn.
    stated: of those rules that state a probability, which; NaN = none.  about: what all rows share.
    """

    server: Index  # 0 .. servers - 1
    servers: int
    stratum: Index
    event: BoolArray
    lead: Array  # days from the origin to the event; NaN = none
    told: dict[str, BoolArray]
    stated: dict[str, Array]
    compared: tuple[str, ...]  # rules that ours is compared with at equal false alarms
    about: dict[str, object]
    issues: float  # hundreds of servers times months of warnings


def rule_rows(cases: Cases, ours: str, draws: int) -> list[dict[str, object]]:
    """One row per rule (SCORECARD_COLUMNS), those of our probability first; `ours`: a rule that states it."""
    weights = server_draws(cases.servers, draws)
    events = weights @ per_server(cases.server, cases.event, cases.servers)
    hits, false = (
        np.stack(
            [weights @ per_server(cases.server, told & kind, cases.servers) for told in cases.told.values()], axis=1
        )
        for kind in (cases.event, ~cases.event)
    )
    matched = hits_at(cases.stated[ours], cases.event, cases.server, weights, false)
    rows = []
    for r, (rule, told) in enumerate(cases.told.items()):
        about, there, issues = _spoken_on(cases, rule, weights, events)
        recall = ratio(hits[:, r], there)
        row = about | {
            "rule": rule, "warned": float(told.sum()), "recall": recall[0],
            "precision": ratio(hits[:1, r], hits[:1, r] + false[:1, r])[0],
            "false_alarms": false[0, r] / issues if issues else np.nan,
            "lead_days": float(np.median(cases.lead[told & cases.event])) if hits[0, r] else np.nan,
        }  # fmt: skip
        row["recall_low"], row["recall_high"] = interval(recall[1:])
        if rule in cases.stated:
            row |= _probability_figures(cases, cases.stated[rule], weights)
        if rule in cases.compared:
            silent = rule in cases.stated and not np.isfinite(cases.stated[rule]).all()
            row |= (
                _comparison_where_stated(cases, ours, rule, weights)
                if silent
                else _comparison(ratio(matched[:, r], events), recall)
            )
        rows.append(row)
    return rows


def _spoken_on(cases: Cases, rule: str, weights: Array, events: Array) -> tuple[dict[str, object], Array, float]:
    """What a rule's figures are over, its events in every draw [B], and the warnings it could have issued.

    A rule that learns states nothing at first: cases it was silent on are neither missed nor spared by it.
    """
    known = np.isfinite(cases.stated[rule]) if rule in cases.stated else np.ones(len(cases.event), np.bool_)
    if known.all():
        return cases.about, events, cases.issues
    event = cases.event & known
    count, came = int(known.sum()), int(event.sum())
    counts = {"cases": count, "events": came, "base_rate": came / count if count else np.nan}
    there = weights @ per_server(cases.server, event, cases.servers)
    return cases.about | counts, there, cases.issues * float(known.mean())


def reliability_rows(cases: Cases, rule: str) -> list[dict[str, object]]:
    """Rows of RELIABILITY_COLUMNS: ten bins of a rule's probability."""
    bins = Reliability(cases.stated[rule], cases.event)
    shared = {name: cases.about[name] for name in ("scope", "name", "level", "horizon_days")}
    return [
        shared | {
            "low": bins.edges[i], "high": bins.edges[i + 1], "cases": int(bins.cases[i]),
            "mean_probability": bins.mean[i], "rate": bins.rate[i],
        }
        for i in range(BINS)
    ]  # fmt: skip


def _comparison(our_recall: Array, recall: Array) -> dict[str, float]:
    times = ratio(our_recall, recall)
    times[(recall == 0) & (our_recall > 0)] = np.inf  # it found nothing of what we found some of
    low, high = interval(times[1:])
    first = times[0] if np.isfinite(times[0]) else np.nan
    return {"our_recall": our_recall[0], "recall_ratio": first, "ratio_low": low, "ratio_high": high}


def _comparison_where_stated(cases: Cases, ours: str, rule: str, weights: Array) -> dict[str, float]:
    """The same on those cases alone of which the rule stated something: it is not to lose by those it was silent on."""
    known = np.isfinite(cases.stated[rule])
    event, server, told = cases.event[known], cases.server[known], cases.told[rule][known]
    events, hits, false = (
        weights @ per_server(server, kind, cases.servers) for kind in (event, told & event, told & ~event)
    )
    matched = hits_at(cases.stated[ours][known], event, server, weights, false[:, None])[:, 0]
    return _comparison(ratio(matched, events), ratio(hits, events))


def _probability_figures(cases: Cases, probability: Array, weights: Array) -> dict[str, float]:
    """Brier score, skill over the base rate of each stratum, and calibration, where a probability was stated."""
    known = np.isfinite(probability)
    p, event, server, stratum = probability[known], cases.event[known], cases.server[known], cases.stratum[known]
    bins = Reliability(p, event)
    skill = brier_skill(p, event, server, stratum, weights)
    low, high = interval(skill[1:])
    return {
        "brier": brier(p, event), "brier_skill": skill[0], "skill_low": low, "skill_high": high,
        "calibration_error": bins.calibration_error, "chance_floor": bins.chance_floor,
        "mean_probability": float(p.mean()) if len(p) else np.nan,
    }  # fmt: skip


def brier_skill(p: Array, event: BoolArray, server: Index, stratum: Index, weights: Array) -> Array:
    """1 - Brier score over that of each stratum's base rate, in every draw of servers, [B]; NaN where that is 0."""
    servers = weights.shape[1]
    loss = weights @ per_server(server, (p - event) ** 2, servers)
    reference = np.zeros(len(weights))
    for which in np.unique(stratum):
        mine = stratum == which
        count = weights @ per_server(server, mine, servers)
        came = weights @ per_server(server, mine & event, servers)
        reference += came * (1.0 - ratio(came, np.maximum(count, 1e-12)))
    return 1.0 - ratio(loss, reference)
