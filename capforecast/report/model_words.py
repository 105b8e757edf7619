"""Which model forecast a business unit, and why that one, in words."""

from __future__ import annotations

import re

import pandas as pd

from capforecast.report.summary_models import ModelUsed
from capforecast.report.words import NBSP, date_text, is_missing, number, plural

_VERSION = re.compile(r"\b(\d{4}-\d\d-\d\d(?:T\d\d)?-[0-9a-f]{8})[0-9a-f]{4,}\b")
_LABELS = {
    "first": "first model",
    "promoted": "new champion",
    "refreshed": "refreshed",
    "replaced": "replaced",
    "kept": "kept",
    "pinned": "pinned",
    "backfill": "of its time",
    "fell_back": "fell back",
    "champion": "champion in use",
}
_OPENINGS = {
    "first": "forecasts with its first model",
    "promoted": "forecasts with a new champion",
    "refreshed": "forecasts with its champion refreshed",
    "replaced": "forecasts with a new champion",
    "kept": "keeps its champion",
    "pinned": "forecasts with a pinned model",
    "backfill": "forecasts with a model of that time",
    "fell_back": "forecasts with an older model",
    "champion": "forecasts with its champion",
}


def sentence(model: ModelUsed) -> str:
    """`Retail keeps its champion, trained on data before 29 Dec 2025 (7 days old): the challenger has ...`."""
    return _sentence(model, why(model))


def short_sentence(model: ModelUsed) -> str:
    """The same for page 1, where what broke a champion, with paths and hashes, has no room."""
    broken = "its champion cannot be used; see models and drift"
    return _sentence(model, broken if model.action == "fell_back" else why(model))


def _sentence(model: ModelUsed, because: str) -> str:
    opening = _OPENINGS.get(model.action, f"forecasts with model {short_version(model.version)}")
    if model.action == "fell_back" and model.version == model.challenger:
        opening = "forecasts with a new model that is not its champion"
    trained = f"trained on data before {moment(model.model_as_of)}"
    age = f" ({age_words(model.age_days)} old)" if model.age_days else ""
    return f"{model.business_unit} {opening}, {trained}{age}{f': {because}' if because else ''}.".replace(NBSP, " ")


def decision(model: ModelUsed) -> tuple[str, str]:
    """What was decided in a word or two, and why."""
    return _LABELS.get(model.action, model.action.replace("_", " ")), why(model)


def why(model: ModelUsed) -> str:
    """Why this model and no other; "" where there was no choice."""
    reason = short_version(model.reason.removeprefix(f"{model.version} is pinned").strip(" :.\n"))
    compared = _compared(model)
    if model.action == "promoted" and compared:
        return f"{compared} than the champion before it"
    if model.action == "refreshed" and compared:
        return f"made as the one before it, with {compared}"
    if model.action == "kept" and compared:
        return f"the challenger has {'only ' if model.ratio and model.ratio < 0.995 else ''}{compared}"
    if model.action == "pinned":
        return "; ".join(part for part in (reason, f"the challenger has {compared}" if compared else "") if part)
    if model.action == "backfill":
        return "its champion has seen later data"
    if model.action in ("first", "champion"):
        return ""
    return reason


def _compared(model: ModelUsed) -> str:
    """Error of the challenger beside the champion's: `7 % smaller error on 120 series`; "" = not compared."""
    if model.ratio is None or not model.series_compared:
        return ""
    change = model.ratio - 1
    size = "the same" if abs(change) < 0.005 else f"{_share(abs(change))} {'smaller' if change < 0 else 'larger'}"
    return f"{size} error on {plural(model.series_compared, 'series', '')}"


def _share(share: float) -> str:
    return f"{100 * share:,.0f} %"


def short_version(text: str) -> str:
    """A version, or the versions in a text, as printed: the date and the first eight characters of the hash."""
    return _VERSION.sub(r"\1", text)


def moment(text: str) -> str:
    """`5 Jan 2026`, with the hour where it is not midnight; a text that is no time stays as it is."""
    when = pd.to_datetime(text, errors="coerce", utc=True)
    if is_missing(when):
        return text
    return date_text(when) + ("" if when == when.normalize() else f"{NBSP}{when:%H:%M}")


def age_words(days: float | None) -> str:
    """`7 days`, `6 hours`."""
    if days is None:
        return number(None)
    hours = round(24 * days)
    return plural(hours, "hour") if hours % 24 and hours < 48 else plural(round(days), "day")
