"""The last page: what this report was made of."""

from __future__ import annotations

from capforecast.report.provenance_words import made_from
from capforecast.report.sentences import forecast_by
from capforecast.report.summary import RunSummary
from capforecast.report.words import count, listed, plural

_MOST_MODELS = 3  # named in one row


def about_rows(summary: RunSummary) -> list[tuple[str, str]]:
    """Names and values, ready to print; what a run does not have is left out."""
    reach = f"; tiers of most servers look {summary.reach} ahead" if summary.reach else ""
    rows = [
        ("As of (exclusive, UTC)", f"{summary.as_of}: nothing at or after this moment was seen"),
        ("Known at", f"{summary.known_at}: only what had arrived by then was seen" if summary.known_at else ""),
        ("Input", f"{summary.cadence} data; {plural(summary.servers, 'server')}, {count(summary.series)} series"),
        ("Horizon", f"{summary.horizon}{reach}"),
        ("Forecast by", forecast_by(summary.models)),
        ("Models", _models(summary)),
        ("Version", f"capforecast {summary.product_version}, summary schema {summary.schema_version}"),
    ]
    return [*((name, text) for name, text in rows if text), *made_from(summary)]


def _models(summary: RunSummary) -> str:
    """Versions in use, where one sentence can hold them."""
    used = summary.model_versions
    if len(used) > _MOST_MODELS:
        return f"{count(len(used))} versions, one per business unit: see Models and drift"
    return listed([f"{each.business_unit} {each.version}" for each in used])
