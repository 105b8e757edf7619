"""Columns of the sheets on warnings, pools and anomalies: each sheet's own, since words as `servers` differ between."""

from __future__ import annotations

from capforecast.report.columns import Column

_PLACE = (
    Column("business_unit", "Business unit", "The unit in force at the cut-off.", width=22),
    Column("region", "Region", "From inventory or observations.", width=14),
)

SCORECARD = (
    Column("scope", "Scope",
           "Whose warnings: the whole fleet, or one business unit, metric, criticality, region.", width=14),
    Column("name", "Which", "Which one; empty for the fleet.", width=20),
    Column("level", "Threshold", "Threshold whose breach was warned of: high, very high, or both together.", width=11),
    Column("horizon_days", "Breach within, days", "Days within which a warning must come true.", "count", 10),
    Column("rule", "Rule",
           "What warned: this report, one of its tiers, or a rule that operations use today.", width=38),
    Column("cases", "Cases",
           "Series, past date and threshold, not in breach then, whose outcome is known.", "count", 9),
    Column("events", "Events", "Cases that breached within the horizon.", "count", 9),
    Column("base_rate", "Base rate", "Events over cases: how often a blind warning would come true.", "rate", 9),
    Column("warned", "Warnings", "Warnings given.", "count", 10),
    Column("precision", "Precision", "Share of warnings that came true.", "rate", 10),
    Column("recall", "Recall", "Share of events that were warned of.", "rate", 9),
    Column("recall_low", "Recall, low", "Lower end of its 95 % interval (bootstrap over servers).", "rate", 9),
    Column("recall_high", "Recall, high", "Upper end of its 95 % interval (bootstrap over servers).", "rate", 9),
    Column("false_alarms", "False alarms", "Warnings that did not come true, per 100 servers and month.", "figure", 9),
    Column("lead_days", "Lead, days", "Median time from a warning to the breach it announced.", "figure", 9),
    Column("our_recall", "Our recall", "Recall of this report at as many false alarms as this rule gives.", "rate", 9),
    Column("recall_ratio", "Times its recall", "Our recall at equal false alarms over this rule's.", "score", 9),
    Column("ratio_low", "Times, low", "Lower end of its 95 % interval; above 1 this report finds more.", "score", 9),
    Column("ratio_high", "Times, high", "Upper end of its 95 % interval; below 1 this report finds fewer.", "score", 9),
    Column("brier", "Brier score", "Mean squared error of the stated probability; smaller is better.", "fine", 9),
    Column("brier_skill", "Brier skill",
           "1 less Brier score over that of stating the base rate; above 0 is better.", "score", 9),
    Column("skill_low", "Skill, low", "Lower end of its 95 % interval.", "score", 9),
    Column("skill_high", "Skill, high", "Upper end of its 95 % interval.", "score", 9),
    Column("calibration_error", "Calibration error",
           "Mean distance of stated from observed frequency, ten bins.", "fine", 10),
    Column("chance_floor", "Chance floor",
           "Calibration error that perfect probabilities would show by chance.", "fine", 9),
    Column("mean_probability", "Mean P", "Mean stated probability, to be read beside the base rate.", "rate", 9),
    Column("servers", "Servers replayed", "Servers behind the cases.", "count", 9),
    Column("series", "Series replayed", "Series behind the cases.", "count", 9),
    Column("origins", "Past dates", "Past dates at which warnings were made again.", "count", 9),
)  # fmt: skip
SCORECARD_PRINTED = 19

RELIABILITY = (
    *SCORECARD[:4],
    Column("low", "From P", "Lower end of the bin of stated probability.", "share", 9),
    Column("high", "To P", "Upper end of the bin of stated probability.", "share", 9),
    Column("cases", "Cases in bin", "Cases with a stated probability in the bin.", "count", 10),
    Column("mean_probability", "Stated", "Mean stated probability of these cases.", "rate", 10),
    Column("rate", "Observed",
           "Share of these cases that breached; like `Stated` where the probability is right.", "rate", 10),
)  # fmt: skip

POOLS = (
    *_PLACE,
    Column("resource", "Resource", "CPU (vCPU) or memory (GiB).", width=12),
    Column("servers", "Servers in pool", "Servers of the pool.", "count", 9),
    Column("supply", "Supply", "What the pool's servers have together, in units.", "figure", 10),
    Column("usable", "Usable", "Supply less the N+1 reserve and the policy buffer, in units.", "figure", 10),
    Column("demand_now", "Demand now", "Sum of what its servers used last, in units.", "figure", 10),
    Column("pool_peak_q50", "Demand peak, median",
           "Median over joint paths of the largest demand within the horizon.", "figure", 10),
    Column("pool_peak_q90", "Demand peak, 90 %",
           "Demand that the largest within the horizon stays below, 90 % sure.", "figure", 10),
    Column("p_30d", "P(short) 30 d",
           "Probability of demand over usable, by the breach rule, within 30 days.", "probability", 10),
    Column("p_90d", "P(short) 90 d",
           "Probability of demand over usable, by the breach rule, within 90 days.", "probability", 10),
    Column("out_10", "10 % short by",
           "Day by which 10 % of the paths have run out; empty = later than the horizon.", "date", 12),
    Column("out_50", "50 % short by",
           "Day by which half of the paths have run out; empty = later than the horizon.", "date", 12),
    Column("out_90", "90 % short by",
           "Day by which 90 % of the paths have run out; empty = later than the horizon.", "date", 12),
    Column("buy_q50", "To order, median",
           "Units to add so that the median peak fits usable with headroom.", "figure", 10),
    Column("buy_q90", "To order, 90 %", "Units to add so that the 90 % peak fits usable with headroom.", "figure", 10),
    Column("buy_by", "Order by", "Last day to order: the 10 % date less the procurement lead time.", "date", 12),
    Column("unsized", "Unsized", "Servers of unknown size, which are in no sum.", "count", 9),
    Column("unobserved", "Unobserved", "Servers of known size that were never observed: in no demand.", "count", 10),
    Column("unforecast", "Unforecast", "Servers without a forecast, counted at their last demand.", "count", 10),
    Column("reason", "Why figures miss", "Why figures are missing; empty when none is.", width=18),
    Column("pool_horizon", "Horizon, days", "Days that peaks and dates look ahead.", "count", 9),
    Column("pool_paths", "Joint paths", "Joint sample paths behind the figures.", "count", 9),
)  # fmt: skip
POOLS_PRINTED = 17

DEMAND = (
    *_PLACE,
    Column("resource", "Resource", "CPU (vCPU) or memory (GiB).", width=12),
    Column("date", "Date", "Day of the demand.", "date", 12),
    Column("usable", "Usable", "Supply less the N+1 reserve and the policy buffer, in units.", "figure", 10),
    Column("demand_q50", "Demand, median", "Median over joint paths, in units.", "figure", 10),
    Column("demand_q10", "Demand, 10 %", "Lower end of the 80 % interval, in units.", "figure", 10),
    Column("demand_q90", "Demand, 90 %", "Upper end of the 80 % interval, in units.", "figure", 10),
    Column("demand_q025", "Demand, 2.5 %", "Lower end of the 95 % interval, in units.", "figure", 10),
    Column("demand_q975", "Demand, 97.5 %", "Upper end of the 95 % interval, in units.", "figure", 10),
)

ANOMALIES = (
    Column("server_id", "Server", "Name of the server, as the monitoring system gives it.", width=26),
    *_PLACE,
    Column("criticality", "Criticality", "From inventory or observations.", width=12),
    Column("metric", "Metric", "Metric of the series.", width=9),
    Column("kind", "Kind", "Incident spike: one value stands out. Level shift: the level moved and stayed.", width=15),
    Column("began", "Began", "When it began, as estimated.", "date", 12),
    Column("told", "Known since", "First moment at which it could be told.", "date", 12),
    Column("value", "Seen", "Value seen, or the new level; in the metric's unit.", "figure", 9),
    Column("usual", "Usual", "What was to be expected then; in the metric's unit.", "figure", 9),
    Column("size", "Difference", "Seen less usual; in the metric's unit.", "figure", 10),
)
