"""What each column of a foreign file is: server, time, metric, inventory or label."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from capforecast.errors import InputError
from capforecast.schema import (
    INGESTED_AT,
    INVENTORY_NUMBERS,
    INVENTORY_TEXT,
    METRIC,
    SERIES_ID,
    SERVER_ID,
    STATISTICS,
    TIMESTAMP,
    VALID_FROM,
    VALUE,
)
from capforecast.settings import Settings

STATISTIC = "statistic"
LABEL = "label_"
INVENTORY = (*INVENTORY_TEXT, *INVENTORY_NUMBERS)
_KNOWN = (SERVER_ID, TIMESTAMP, INGESTED_AT, SERIES_ID, METRIC, VALUE, STATISTIC, VALID_FROM, *INVENTORY)
_UNIT_NAMES = {
    **{f"{metric}_{unit}": metric for metric in ("cpu", "mem", "disk") for unit in ("percent", "pct")},
    **{f"{metric}_{unit}": metric for metric in ("net", "net_in", "net_out") for unit in ("mbit_s", "mbps")},
    "disk_io_mbytes_s": "disk_io",
}  # a metric of ours whose name carries the unit we keep it in
_ALIASES = {"avg": "mean", "average": "mean", "maximum": "max", "minimum": "min", "median": "p50"}


@dataclass(frozen=True)
class Layout:
    """A file's columns by meaning; values are the file's own column names.

    known: server_id, timestamp and, where there, ingested_at; metric, value, statistic in long form.
    metrics: our `<metric>_<statistic>` -> column (empty in long form).  sure: those that must hold numbers.
    inventory: our inventory column -> column.  labels: label_<name> -> column.
    """

    known: dict[str, str]
    metrics: dict[str, str]
    inventory: dict[str, str]
    labels: dict[str, str]
    sure: frozenset[str] = field(default_factory=frozenset)

    @property
    def long(self) -> bool:
        """One value per row, named by `metric`."""
        return VALUE in self.known


def plain(name: str) -> str:
    """A column or metric name in lower case, anything but letters and digits as one underscore."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def metric_column(name: str, statistic: str | None = None) -> str | None:
    """`<metric>_<statistic>` of a metric's name, or None where a statistic is missing or not one of STATISTICS.

    A unit in the name of a metric of ours, and in ours, is left out: `net_mbit_s_p95` is `net_p95`.
    """
    name = plain(name)
    if statistic is not None:
        last = _ALIASES.get(plain(statistic), plain(statistic))
        stem = name.removesuffix("_" + last)
    else:
        stem, _, last = name.rpartition("_")
        last = _ALIASES.get(last, last)
    return f"{_UNIT_NAMES.get(stem, stem)}_{last}" if stem and last in STATISTICS else None


def is_number_column(name: str, settings: Settings) -> bool:
    """May a CSV column be read as numbers? Ids, times and texts must stay as written (`007`)."""
    if name in settings.source.labels:
        return False
    target = settings.source.columns.get(name, name)
    return metric_column(target) is not None or plain(target) == VALUE


def layout(file: str, columns: list[str], settings: Settings) -> Layout:
    """Sort a file's columns by meaning. Raises InputError, naming the fix, when server, time or values are not found.

    A column keeps its name, or takes the one settings.source.columns gives it; names are compared without case.
    """
    targets = _targets(file, columns, settings)
    known = {ours: column for ours, column in targets.items() if ours in _KNOWN and ours not in INVENTORY}
    if SERVER_ID not in known and SERIES_ID in known:
        known[SERVER_ID] = known.pop(SERIES_ID)
    long = METRIC in known and VALUE in known
    used = {SERVER_ID, TIMESTAMP, INGESTED_AT} | ({METRIC, VALUE, STATISTIC} if long else set())
    known = {ours: column for ours, column in known.items() if ours in used}
    inventory = {ours: targets[ours] for ours in INVENTORY if ours in targets}
    taken = {*known.values(), *inventory.values()}
    metrics: dict[str, str] = {}
    for ours, column in targets.items():
        name = metric_column(ours)
        if long or name is None or column in taken or column in settings.source.labels:
            continue
        if name in metrics:
            raise InputError(f"{file}: columns {metrics[name]!r} and {column!r} are both {name}; map or remove one")
        metrics[name] = column
    taken.update(metrics.values())
    labels = {LABEL + plain(column): column for column in columns if column not in taken and plain(column)}
    _check(file, columns, known, metrics, long)
    check_number(file, list(metrics), len(labels), settings)
    sure = {
        name for name, column in metrics.items() if column in settings.source.columns or _configured(name, settings)
    }
    return Layout(known, metrics, inventory, labels, frozenset(sure))


def _configured(name: str, settings: Settings) -> bool:
    return name.rpartition("_")[0] in settings.metrics


def _targets(file: str, columns: list[str], settings: Settings) -> dict[str, str]:
    """Our name -> the file's column; a mapped column wins over one that has the name by itself."""
    targets: dict[str, str] = {}
    mapped = settings.source.columns
    for column in [name for name in columns if name in mapped] + [name for name in columns if name not in mapped]:
        ours = mapped.get(column, column)
        ours = ours if metric_column(ours) else plain(ours)
        if ours in targets:
            if column in mapped or targets[ours] not in mapped:
                raise InputError(f"{file}: columns {targets[ours]!r} and {column!r} are both {ours}; map or remove one")
            ours = f"{ours} (not mapped)"  # kept as a label
        targets[ours] = column
    return targets


def check_number(file: str, metrics: list[str], labels: int, settings: Settings) -> None:
    """Raise InputError for more metrics than settings allow, saying what is taken for a metric and what for a label."""
    if len(metrics) <= settings.source.max_metrics:
        return
    raise InputError(
        f"{file}: {len(metrics)} metrics ({', '.join(metrics[:3])} ...) and {labels} labels; a column named "
        f"<metric>_<statistic> (statistics: {', '.join(STATISTICS)}) is a metric, any other a label. At most "
        f"{settings.source.max_metrics} metrics are taken: list labels in source.labels, or raise source.max_metrics"
    )


def _check(file: str, columns: list[str], known: dict[str, str], metrics: dict[str, str], long: bool) -> None:
    there = ", ".join(columns[:12]) + (" ..." if len(columns) > 12 else "")
    for ours, likely in ((SERVER_ID, ("server", "host", "hostname", "vm", "instance")), (TIMESTAMP, ("time", "date"))):
        if ours not in known:
            near = [name for name in columns if plain(name) in likely] or difflib.get_close_matches(ours, columns, n=1)
            example = near[0] if near else "<its column>"
            raise InputError(
                f"{file}: no column {ours!r} among {there}; name it in the settings: "
                f"source.columns: {{{example}: {ours}}}"
            )
    if not metrics and not long:
        raise InputError(
            f"{file}: no metric column among {there}; expected <metric>_<statistic> (statistics: "
            f"{', '.join(STATISTICS)}) or metric and value; map one: source.columns: {{<its column>: cpu_p95}}"
        )
