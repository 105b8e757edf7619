"""What type each column of the lake has: the same in every partition, whatever values a run happened to have.

Names are Athena's (Hive's). Without this, a table without rows would be text, and a count with a gap a fraction; a
reader over several partitions, Athena above all, would refuse the lot.
"""

from __future__ import annotations

from capforecast.schema import STATISTICS

TEXT, NUMBER, SINGLE, WHOLE, YES_NO, TIME = "string", "double", "float", "bigint", "boolean", "timestamp"

_TEXT = """
server_id business_unit region criticality environment owner host_id instance_type renamed_from metric statistic
verdict reason flags unseen_peaks peaks_unseen tier detail bucket kind level scope name rule resource test stratum check
example sentence model model_version version model_as_of previous_as_of challenger action risk_basis segment
withheld_action to_type basis alternatives price_source price_reason currency idle_basis state state_note inputs config
code onto host_from host_to by note file column problem reasons sha256 family architecture os source sizes_filled
sizes_conflict missing
"""
_WHOLE = """
observed origins points cases events servers series series_over series_compared series_known series_not_trained periods
over paths priced unsized unobserved unforecast packed hosts hosts_needed spare freed replayed_hours replayed_over
observed_days days row rows_read rows_used rows_rejected duplicates values_rejected repeat periods_cpu periods_memory
over_size over_size_cpu over_size_memory over_need over_need_cpu over_need_memory
"""
_TIME = """
timestamp ingested_at valid_from capacity_changed_at first_seen last_seen origin date buy_by told began trend_since
state_since window_first window_last advised at since
"""
_YES_NO = "in_breach_high in_breach_very_high alarm kept refused idle zombie burstable"
_SINGLE = "q025 q10 q50 q90 q975"
_BY_NAME = {
    name: kind
    for kind, names in ((TEXT, _TEXT), (WHOLE, _WHOLE), (TIME, _TIME), (YES_NO, _YES_NO), (SINGLE, _SINGLE))
    for name in names.split()
}
# Columns of one name that mean something else, or are kept otherwise, in one dataset.
_HERE: dict[str, dict[str, str]] = {
    "forecasts": {"mean": SINGLE},
    "sizing": {"need_cpu_share": SINGLE, "need_memory_share": SINGLE},
    "actions": {"need_cpu_share": SINGLE, "need_memory_share": SINGLE},
    "scorecard": {"horizon_days": WHOLE},
    "reliability": {"horizon_days": WHOLE},
    "segments": {"segment": WHOLE},
    "segment_sizes": {"segment": WHOLE},
    "quarantine": {"value": TEXT},
    "path_costs": {"servers": f"array<{TEXT}>", "hourly": f"array<{NUMBER}>"},
    "pool_paths": {"path": f"array<{NUMBER}>"},
    "path_levels": {
        "days": f"array<{WHOLE}>",
        **dict.fromkeys(("share_high", "share_very_high", "peak_q90", "levels"), f"array<{SINGLE}>"),
    },
}
_OBSERVED = ("raw", "processed")  # <metric>_<statistic> is float32 here
LABELLED = ("raw", "inventory", "neighbours", "servers")  # hold columns that only the inventory's owner knows


def column_type(dataset: str, name: str) -> str:
    """Type of a column of a dataset (`risks`, `raw`); a figure that is not named here is a `double`."""
    if dataset in _OBSERVED and name.rpartition("_")[2] in STATISTICS:
        return SINGLE
    return _HERE.get(dataset, {}).get(name) or _BY_NAME.get(name, NUMBER)
