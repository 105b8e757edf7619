"""Columns of the sheets on what to do: heading, explanation, kind, width. Money is per month, in the run's currency."""

from __future__ import annotations

from capforecast.report.columns import Column

_SERVER = Column("server_id", "Server", "Name of the server, as the monitoring system gives it.", width=26)
_PLACE = (
    Column("business_unit", "Business unit", "The unit in force at the cut-off.", width=22),
    Column("region", "Region", "From inventory or observations.", width=14),
    Column("criticality", "Criticality", "From inventory or observations.", width=12),
)
_LOW = "10 % quantile, over sample paths, of the change to the cheapest safe size; of sums: of the sum over servers."
_OVER = "Of these, above what the rule said is needed; on the sheet Bounds, or above the size."
_CURRENCY = Column("currency", "Currency", "Of all money in the row.", width=9)

ACTIONS = (
    _SERVER,
    *_PLACE,
    Column("tier", "Tier", "Risk: critical, high, watch, ok or unknown; rules on the sheet Definitions.", "tier", 10),
    Column("action", "Action", "upsize, downsize, stop, keep, withheld or none: exactly one per server.", width=11),
    Column("reason", "Why this action", "The rule that decided.", width=52),
    Column("withheld_action", "Withheld advice", "What would have been advised; empty = nothing is known.", width=11),
    Column("instance_type", "Type now", "Instance type, from the inventory.", width=14),
    Column("vcpus", "vCPUs now", "From the inventory, or of the instance type; empty = not known.", "count", 9),
    Column("memory_gib", "Memory now, GiB", "From the inventory, or of the instance type.", "figure", 10),
    Column("to_type", "Type advised", "Instance type; empty where types are not known.", width=14),
    Column("to_vcpus", "vCPUs advised", "vCPUs of the size advised.", "count", 9),
    Column("to_memory_gib", "Memory advised, GiB", "Memory of the size advised.", "figure", 10),
    Column("monthly", "Cost now", "On demand, a month of 730 hours; empty = no price.", "score", 11),
    Column("to_monthly", "Cost advised", "Of the size advised, likewise.", "score", 11),
    Column("monthly_change", "Change a month", "Below 0 is a saving, above 0 spending.", "score", 11),
    Column("monthly_change_discounted", "Change after discount", "With the discount that is set.", "score", 11),
    Column("change_q10", "Change, 10 %", _LOW,
           "score", 11),
    Column("change_q50", "Change, median", "Median of the same.", "score", 11),
    Column("change_q90", "Change, 90 %", "90 % quantile of the same.", "score", 11),
    _CURRENCY,
    Column("risk_basis", "Tier rests on", "In words; empty of servers that are ok or unknown.", width=52),
    Column("segment", "Segment", "Name of the segment of servers used alike.", width=20),
    Column("owner", "Owner", "From the inventory.", width=16),
    Column("to_cpu_share", "CPU advised, of now", "Of what it has now; 100 % = as it is.", "share", 10),
    Column("to_memory_share", "Memory advised, of now", "Of what it has now; 100 % = as it is.", "share", 10),
    Column("need_vcpus", "vCPUs needed", "What nearly all sample paths need, headroom included.", "figure", 9),
    Column("need_memory_gib", "Memory needed, GiB", "Likewise.", "figure", 10),
    Column("need_cpu_share", "CPU needed, of now", "Likewise, of what it has now.", "share", 10),
    Column("need_memory_share", "Memory needed, of now", "Likewise, of what it has now.", "share", 10),
    Column("fits", "Paths held", "Share of the sample paths that the size advised, or else the present one, holds.",
           "share", 9),
    Column("basis", "Sized by", "Statistic and headroom.", width=30),
    Column("alternatives", "Alternatives", "Sizes that were considered, and why not.", width=60),
    Column("price_source", "Price from", "File and date, or the inventory.", width=28),
    Column("price_reason", "Why no price", "Empty = there is one.", width=40),
    Column("idle", "Idle", "Idle by the rule on the sheet Definitions.", "flag", 7),
    Column("zombie", "Zombie", "Idle, and no owner.", "flag", 8),
    Column("idle_basis", "Idle by", "What was looked at.", width=52),
    Column("stratum", "Tested with", "Servers whose replay stands behind it.", width=20),
    Column("bound_servers", "Servers tested", "Servers of the stratum that were replayed.", "count", 10),
    Column("bound_periods", "Periods replayed", "Observed days; of hourly data their P95 counts.", "count", 10),
    Column("bound_over", "Periods over", _OVER, "count", 10),
    Column("bound_rate", "Exceeded", "Share of the periods.", "rate", 9),
    Column("bound_upper", "Exceedance bound", "95 % upper limit of that share.", "rate", 10),
    Column("promised", "Promised", "Share that is promised not to be exceeded.", "rate", 9),
    Column("size_periods", "Periods at sizes", "Held against smaller sizes that the rule would have advised.",
           "count", 10),
    Column("size_over", "Over sizes", "Of these, above 100 % of the size.", "count", 10),
    Column("state", "Advice stands at", "Proposed, accepted, rejected, applied or realised; empty = there is none.",
           width=12),
    Column("state_since", "Since", "When that was recorded.", "date", 12),
    Column("state_note", "Note", "What was noted with it.", width=30),
    Column("history_days", "Days of history", "Days observed.", "count", 9),
    Column("peaks_unseen", "Peaks ahead, unseen", "Known peaks ahead that its history does not hold.", width=20),
    Column("paths", "Sample paths", "Paths behind the need.", "count", 8),
    Column("horizon_days", "Days ahead", "Horizon over which peaks were taken.", "count", 9),
    Column("model_version", "Model", "Version of the model that forecast it.", width=30),
    Column("window_first", "Seen from", "First moment of the history it was made from.", "date", 12),
    Column("window_last", "Seen to", "Last moment of that history.", "date", 12),
    Column("inputs", "Inputs", "Tables it was made from, each with its hash.", width=18),
    Column("config", "Settings", "Hash of the settings.", width=18),
    Column("code", "Code", "Hash of the program.", width=18),
)  # fmt: skip
ACTIONS_PRINTED = 18

SAVINGS = (
    Column("scope", "Sums of", "Fleet, business unit, region or segment; each adds up to the fleet.", width=14),
    Column("name", "Of", "Which fleet, business unit, region or segment.", width=26),
    Column("kind", "Kind of action", "Larger, smaller and stopped add up to all together.", width=18),
    Column("servers", "Servers moved", "With such an action.", "count", 9),
    Column("priced", "Priced", "Of these, with prices of both sizes; only they are in the sums.", "count", 9),
    Column("monthly", "Cost now", "On demand, a month of 730 hours; empty = no price.", "score", 13),
    Column("to_monthly", "Cost advised", "Of the size advised, likewise.", "score", 13),
    Column("monthly_change", "Change a month", "Below 0 is a saving, above 0 spending.", "score", 13),
    Column("monthly_change_discounted", "Change after discount", "With the discount that is set.", "score", 13),
    Column("change_q10", "Change, 10 %", _LOW, "score", 13),
    Column("change_q50", "Change, median", "Median of the same.", "score", 13),
    Column("change_q90", "Change, 90 %", "90 % quantile of the same.", "score", 13),
    _CURRENCY,
)  # fmt: skip

BOUNDS = (
    Column("stratum", "Tested together", "Servers of a segment; small segments together; all.", width=26),
    Column("test", "Test", "Of sizes: smaller sizes the rule would have advised. Of needs: what it says that those "
           "need that need less than they have, a harder test.", width=10),
    Column("resource", "Resource tested", "CPU, memory, or whichever was exceeded.", width=16),
    Column("servers", "Servers tested", "Servers of the stratum that were replayed.", "count", 10),
    Column("cases", "Past sizings", "Servers and past origins.", "count", 9),
    Column("periods", "Periods replayed", "Observed days; of hourly data their P95 counts.", "count", 11),
    Column("over", "Periods over", _OVER, "count", 10),
    Column("rate", "Exceeded", "Share of the periods.", "fine", 9),
    Column("upper", "Exceedance bound", "95 % upper limit of that share.", "fine", 10),
    Column("promised", "Promised", "Share that is promised not to be exceeded.", "fine", 9),
    Column("kept", "Promise kept", "Of needs: is the bound at most what is promised? Of sizes: is the share?", width=9),
)  # fmt: skip

SEGMENTS = (
    Column("name", "Segment", "Name of the segment of servers used alike.", width=30),
    Column("servers", "Servers", "Number of servers.", "count", 9),
    Column("silhouette", "Silhouette", "1 = clearly apart from the others, 0 = they touch.", "score", 10),
    Column("action", "What is usually done", "About such servers.", width=60),
)

CONSOLIDATION = (
    *_PLACE,
    Column("reason", "Why nothing is said", "Empty = a packing is proposed.", width=40),
    Column("servers", "Servers", "Number of servers.", "count", 9),
    Column("packed", "Packed", "Of these, of known size and seen.", "count", 9),
    Column("hosts", "Hosts today", "Hosts, or instances where hosts are not known.", "count", 9),
    Column("hosts_needed", "Hosts needed", "Without spare ones.", "count", 9),
    Column("spare", "Spare", "Held for the failure of as many.", "count", 8),
    Column("freed", "Freed", "Hosts today less those needed and spare.", "count", 8),
    Column("onto", "Packed onto", "Hosts of the inventory, or the size of the instances.", width=30),
    Column("vcpus", "vCPUs each", "Of one instance; empty for hosts.", "count", 9),
    Column("memory_gib", "Memory each, GiB", "Of one instance; empty for hosts.", "figure", 10),
    Column("busiest", "Fullest", "Share of its capacity that the fullest host uses at its busiest hour.", "share", 9),
    Column("replayed_hours", "Host-hours replayed", "Held out, then held against the packing.", "count", 10),
    Column("replayed_over", "Host-hours over", "Of these, over 100 % of the host.", "count", 10),
    Column("replayed_rate", "Over, share", "Share of the host-hours.", "fine", 9),
    Column("replayed_upper", "Over, bound", "95 % upper limit of that share.", "fine", 9),
    Column("monthly", "Cost now", "On demand, a month of 730 hours; empty = no price.", "score", 13),
    Column("to_monthly", "Cost then", "Of the hosts or instances that stay.", "score", 13),
    Column("monthly_change", "Change a month", "Below 0 is a saving, above 0 spending.", "score", 13),
    _CURRENCY,
    Column("price_source", "Price from", "File and date, or the inventory.", width=28),
    Column("price_reason", "Why no price", "Empty = there is one.", width=40),
    Column("statistic", "Hours added", "Statistic of the hours that were added up.", width=9),
)
CONSOLIDATION_PRINTED = 19

PACKING = (
    _SERVER,
    *_PLACE,
    Column("host_from", "Host today", "From the inventory; empty = not known.", width=20),
    Column("host_to", "Host or instance then", "Where it would go.", width=22),
    Column("peak_vcpus", "Peak, vCPUs", "Its largest hour in the weeks looked at.", "figure", 10),
    Column("peak_memory_gib", "Peak, GiB", "Likewise.", "figure", 10),
)

REALISED = (
    _SERVER,
    Column("action", "Followed", "What was advised and followed: upsize, downsize or stop.", width=11),
    Column("promised", "Promised a month", "Change of the monthly cost when it was advised.", "score", 11),
    Column("achieved", "Achieved a month", "Both sizes at today's prices; empty = not known.", "score", 11),
    _CURRENCY,
    Column("since", "Shown since", "When the inventory began to show it, or it was decided.", "date", 12),
)
