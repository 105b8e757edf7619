"""How good the warnings were: from the replayed scorecard to what the summary says of it, in figures and words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from capforecast.report.accuracy import figure
from capforecast.report.recent_warnings import recent_warnings
from capforecast.report.scorecard_words import FEW_EVENTS
from capforecast.report.summary import Bin, Calibration, RuleScore, Scorecard
from capforecast.report.words import NBSP, count, date_text, listed, number, plural, probability, rate
from capforecast.risk.rules_of_thumb import NEAR_SHARE
from capforecast.risk.scorecard import ABOVE, EVERYTHING, LINES, LOGISTIC, NEAR, OURS, TIER_RULE

HEADLINE_DAYS = (30, 90)
SOME_EVENTS = 200  # below this it is an indication; targets are stated for fleets with more
RULE_NAMES = {  # tiers are called as they are; further cut-offs of ours are "capforecast >= 0.1"
    OURS: "this report",
    **{rule: f"line through the last {days} days" for days, rule in LINES.items()},
    NEAR: f"above {NEAR_SHARE} of the threshold in the last 7 days",
    LOGISTIC: "logistic on the highest of the last 7 days",
    ABOVE: "often above it in the last 365 days",
    EVERYTHING: "warn of everything",
}
_INTERVALS = ("recall_low", "recall_high", "our_recall", "recall_ratio", "ratio_low", "ratio_high")


def track_record(
    scorecard: pd.DataFrame,
    reliability: pd.DataFrame,
    origins: Mapping[int, Sequence[pd.Timestamp]],
    of_servers: int,
    by_origin: pd.DataFrame | None = None,
) -> Scorecard | None:
    """The fleet's scorecard at the headline horizons, or None where nothing could be replayed.

    scorecard, reliability: rows of SCORECARD_COLUMNS, RELIABILITY_COLUMNS.  origins: those scored at each
    horizon (days).  of_servers: how many could be forecast in this run.  by_origin: counts of
    risk.warnings_by_origin, where they are known.
    """
    rows = _fleet(scorecard)
    ours = rows[(rows["rule"] == OURS) & (rows["cases"] > 0)] if len(rows) else rows
    if not len(ours):
        return None
    days = [h for h in HEADLINE_DAYS if h in set(ours["horizon_days"])] or [int(ours["horizon_days"].max())]
    shown = {h: ours[ours["horizon_days"] == h].iloc[0] for h in days}
    last = shown[days[-1]]
    moments = sorted(pd.Timestamp(origin) for origin in origins.get(days[-1], ()))
    others = rows[(rows["rule"] != OURS) & rows["horizon_days"].isin(days)]
    record = Scorecard(
        servers=int(last["servers"]),
        of_servers=of_servers,
        sampled=int(last["servers"]) < of_servers,
        series=int(last["series"]),
        origins=int(last["origins"]),
        first_origin=f"{moments[0]:%Y-%m-%d}" if moments else None,
        last_origin=f"{moments[-1]:%Y-%m-%d}" if moments else None,
        ours=[_score(shown[h]) for h in days],
        calibration=[_calibration(shown[h]) for h in days],
        rules=[_score(row) for h in days for row in _ours_first(others[others["horizon_days"] == h])],
        reliability=_bins(_fleet(reliability), days),
        last_quarter=None if by_origin is None else recent_warnings(by_origin, days[-1]),
        sentence="",
    )
    return record.model_copy(update={"sentence": _sentence(record).replace(NBSP, " ")})


def rule_name(rule: str) -> str:
    """A rule as readers know it."""
    cut = rule.removeprefix(f"{OURS} >= ")
    if cut != rule:
        return f"this report, from {probability(cut)} on"
    return RULE_NAMES.get(rule, rule.replace("_", " "))


def is_ours(rule: str) -> bool:
    """Is it a rule of this report: its probability, or a tier drawn from it?"""
    return rule.startswith((OURS, TIER_RULE))


def _fleet(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the whole fleet, both thresholds together; of the one there is where they were not put together."""
    if not len(table):
        return table
    whole = table[table["scope"] == "fleet"]
    levels = set(whole["level"])
    return whole[whole["level"] == next((level for level in ("both", "high") if level in levels), "very_high")]


def _ours_first(rows: pd.DataFrame) -> list[pd.Series]:
    return sorted((row for _, row in rows.iterrows()), key=lambda row: not is_ours(str(row["rule"])))


def _score(row: pd.Series) -> RuleScore:
    warned, precision = int(row["warned"]), figure(row["precision"])
    came = round(warned * precision) if precision is not None else 0
    return RuleScore(
        rule=str(row["rule"]),
        horizon_days=int(row["horizon_days"]),
        cases=int(row["cases"]),
        events=int(row["events"]),
        base_rate=figure(row["base_rate"]),
        warned=warned,
        came_true=came,
        false=warned - came,
        precision=precision,
        recall=figure(row["recall"]),
        false_alarms=figure(row["false_alarms"]),
        lead_days=figure(row["lead_days"]),
        **{name: figure(row[name]) for name in _INTERVALS},
    )


def _calibration(row: pd.Series) -> Calibration:
    names = ("brier_skill", "skill_low", "skill_high", "calibration_error", "chance_floor", "mean_probability")
    return Calibration(horizon_days=int(row["horizon_days"]), **{name: figure(row[name]) for name in names})


def _bins(table: pd.DataFrame, days: Sequence[int]) -> list[Bin]:
    """Bins that hold cases."""
    found = []
    for row in table.to_dict("records"):
        stated, rate = figure(row["mean_probability"]), figure(row["rate"])
        if row["horizon_days"] in days and row["cases"] > 0 and stated is not None and rate is not None:
            found.append(
                Bin(horizon_days=int(row["horizon_days"]), low=row["low"], high=row["high"], cases=int(row["cases"]),
                    mean_probability=stated, rate=rate)
            )  # fmt: skip
    return sorted(found, key=lambda each: (each.horizon_days, each.low))


def _sentence(record: Scorecard) -> str:
    """How often the warnings came true, with what one must know to read that."""
    score = record.ours[-1]
    when, within = _when(record), f"within {score.horizon_days} d"
    if not score.events:
        text = f"Nothing breached {within} of {when}, so it cannot be told how often warnings come true"
        return f"{text}; {plural(score.warned, 'warning')} would have been false." if score.warned else f"{text}."
    base = f"base rate {rate(score.base_rate)}"
    if not score.warned:
        return f"No warning would have been given at {when}, and {count(score.events)} breached {within} ({base})."
    text = (
        f"Of {plural(score.warned, 'warning')} at {when}, {count(score.came_true)} came true {within} ({base}); "
        f"{count(score.false)} {'was' if score.false == 1 else 'were'} false"
    )
    if score.false_alarms is not None:
        text += f": {number(score.false_alarms)} per 100 servers and month"
    few = f" With {plural(score.events, 'breach', 'es')} this is too few to judge by."
    return f"{text}.{few if score.events < FEW_EVENTS else ''}"


def _when(record: Scorecard) -> str:
    text = f"{plural(record.origins, 'replayed date')}"
    if record.first_origin and record.last_origin:
        first, last = (date_text(pd.Timestamp(day)) for day in (record.first_origin, record.last_origin))
        text += f" ({first})" if first == last else f" ({first} to {last})"
    return text


def verdicts(record: Scorecard) -> list[str]:
    """What the figures mean, in plain words, for the longest headline horizon. Where they cannot tell, that is said."""
    score, stated = record.ours[-1], record.calibration[-1]
    if score.events < FEW_EVENTS:
        few = plural(score.events, "breach", "es")
        return [
            f"Events: {few} within {score.horizon_days} d. That is too few to say how good the warnings are: "
            f"{FEW_EVENTS} are the least for a first indication, {SOME_EVENTS} for a verdict."
        ]
    said = [_on_probabilities(score, stated), _on_skill(score, stated)]
    said += _on_rules([rule for rule in record.rules if rule.horizon_days == score.horizon_days])
    if score.events < SOME_EVENTS:
        said.append(
            f"All this rests on {count(score.events)} breaches; below {SOME_EVENTS} it is an indication, not proof."
        )
    return [text for text in said if text]


def _on_probabilities(score: RuleScore, stated: Calibration) -> str:
    mean, came, error = stated.mean_probability, score.base_rate, stated.calibration_error
    if mean is None or not came:
        return ""
    pair = f"{rate(mean)} was stated on average, {rate(came)} breached"
    if mean > 1.25 * came:
        return f"The probabilities are too high: {pair}. Overconfident warnings: read them as less."
    if mean < 0.8 * came:
        return f"The probabilities are too low: {pair}. Breaches are more likely than stated."
    if error is not None and error > 0.05:
        return f"The probabilities are right on average ({pair}), but {number(100 * error, 0)} points off bin by bin."
    return f"The probabilities can be taken at their word: {pair}."


def _on_skill(score: RuleScore, stated: Calibration) -> str:
    if stated.brier_skill is None:
        return ""
    if stated.skill_low is None or stated.skill_high is None:
        interval, low, high = "", -math.inf, math.inf
    else:
        low, high = stated.skill_low, stated.skill_high
        interval = f", 95 % interval {number(low, 2)} to {number(high, 2)}"
    skill = f"(Brier skill {number(stated.brier_skill, 2)}{interval})"
    if low > 0:
        return f"They tell servers that breach from those that do not better than the base rate does {skill}."
    if high < 0:
        return f"Stating the base rate for every server would have been better {skill}."
    return f"Whether they are better than stating the base rate for every server cannot be told {skill}."


def _on_rules(rules: Sequence[RuleScore]) -> list[str]:
    """Ours beside other rules, each at its number of false alarms; nothing of a rule with which nothing is compared."""
    verdicts: dict[str, list[str]] = {}
    for rule in rules:
        low, high, ratio = rule.ratio_low, rule.ratio_high, rule.recall_ratio
        if ratio is None or low is None or high is None or rule.rule == EVERYTHING or is_ours(rule.rule):
            continue
        word = "finds more breaches than" if low > 1 else "finds fewer breaches than" if high < 1 else "is level with"
        times = f"{number(ratio, 2)} times as many [{number(low, 2)} to {number(high, 2)}]"
        verdicts.setdefault(word, []).append(f"“{rule_name(rule.rule)}” ({times})")
    return [f"At equal false alarms this report {word} {listed(names)}." for word, names in verdicts.items()]
