"""The section on models and drift in words and rows, ready to print: which version forecast whom, and what moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from capforecast.report.model_notes import OLDER
from capforecast.report.model_words import age_words, decision, moment, short_sentence, short_version
from capforecast.report.style import shorten
from capforecast.report.summary import RunSummary
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.report.words import NONE, count, listed, number, plural, probability

_MOST_MODELS = 25  # rows in print; the workbook lists all
_MOST_ALARMS = 20
_LONGEST = 260  # characters of a sentence on page 1; a reason may be any length
_NAMED = 4  # business units named in a sentence
CHECK_NAMES: dict[str, str] = {}


def models_page(summary: RunSummary) -> dict[str, Any]:
    """Versions, those to know of first, and checks for drift, alarms first. Empty where none is on record."""
    versions = sorted(summary.model_versions, key=_notable)
    return {
        "lead": _lead(versions),
        "rows": [_model_row(model) for model in versions[:_MOST_MODELS]],
        "of": len(versions),
        "drift": _drift(summary.drift),
    }


def models_fact(summary: RunSummary) -> tuple[str, str] | None:
    """Page 1: fall-back or pinned models, and drift; None where there is neither."""
    older = [model for model in summary.model_versions if model.action in OLDER]
    alarms = [check for check in summary.drift if check.alarm]
    parts = []
    if len(older) == 1:
        parts.append(shorten(short_sentence(older[0]), _LONGEST))
    elif older:
        parts.append(f"{_units(older)} forecast with fall-back or pinned models.")
    if len(alarms) == 1:
        parts.append(shorten(f"Drift in {alarms[0].sentence}", _LONGEST))
    elif alarms:
        kinds = listed(sorted({check_name(check.check) for check in alarms}))
        parts.append(f"Drift in {_units(alarms)}: {kinds}.")
    return ("Models", " ".join(parts)) if parts else None


def check_name(check: str) -> str:
    """A check as people read it."""
    return CHECK_NAMES.get(check, check.replace("_", " "))


def _units(parts: Sequence[ModelUsed | DriftCheck]) -> str:
    names = [shorten(name, 40) for name in sorted({part.business_unit for part in parts})]
    more = len(names) - _NAMED
    return listed(names if more <= 0 else [*names[:_NAMED], f"{plural(more, 'more business unit')}"])


def _notable(model: ModelUsed) -> tuple[bool, bool, float, str]:
    return model.action not in OLDER, model.action != "replaced", -(model.age_days or 0.0), model.business_unit


def _lead(versions: Sequence[ModelUsed]) -> str:
    """How many forecast with what, in one sentence."""
    older = sum(model.action in OLDER for model in versions)
    new = sum(model.version == model.challenger and model.action not in OLDER for model in versions)
    parts = (
        (new, "with a model that this run trained", "Every model in use was trained in this run."),
        (
            len(versions) - new - older,
            "with the champion that was there",
            "Every model in use was there before this run.",
        ),
        (older, "with a fall-back or pinned model", "Every model in use is a fall-back or pinned."),
    )
    for number_of, _, all_of_them in parts:
        if number_of == len(versions):
            return all_of_them
    said = [f"{count(n)} {'forecasts' if n == 1 else 'forecast'} {words}" for n, words, _ in parts if n]
    return f"Of {plural(len(versions), 'business unit')} {listed(said)}."


def _model_row(model: ModelUsed) -> dict[str, Any]:
    label, because = decision(model)
    return {
        "unit": model.business_unit,
        "version": short_version(model.version),
        "kind": model.kind,
        "trained": moment(model.model_as_of),
        "age": f"{age_words(model.age_days)} old" if model.age_days else "",
        "decision": label,
        "why": because,
        "notable": model.action in OLDER,
        "relative": number(model.relative_mae, 2),
        "coverage": probability(model.coverage_80),
        "not_trained": count(model.series_not_trained),
    }


def _drift(checks: Sequence[DriftCheck]) -> dict[str, Any]:
    """The verdict, the checks that could not be made, and a table of alarms."""
    made = [check for check in checks if check.value is not None]
    alarms = [check for check in made if check.alarm]
    return {
        "verdict": _verdict(made, alarms),
        "not_made": _not_made(checks),
        "rows": [_check_row(check) for check in alarms[:_MOST_ALARMS]],
        "note": _note(len(alarms), len(made)),
    }


def _verdict(made: Sequence[DriftCheck], alarms: Sequence[DriftCheck]) -> str:
    if not made:
        return ""
    units = len({check.business_unit for check in made})
    if not alarms:
        return (
            f"Nothing drifted: {plural(len(made), 'check')} in {plural(units, 'business unit')}, none over its limit."
        )
    verb = "is" if len(alarms) == 1 else "are"
    return f"{count(len(alarms))} of {plural(len(made), 'check')} {verb} over the limit, in {_units(alarms)}."


def _note(alarms: int, made: int) -> str:
    """What the table of alarms leaves out."""
    first = f"The first {_MOST_ALARMS} of {count(alarms)} alarms. " if alarms > _MOST_ALARMS else ""
    rest = f"{plural(made - alarms, 'check')} within the limits. " if made > alarms else ""
    return f"{first}{rest}The workbook lists all checks, on the sheet Drift, and the series that drifted."


def _not_made(checks: Sequence[DriftCheck]) -> list[str]:
    """Which checks could not be made, where and why: a sentence per reason."""
    every = {check.business_unit for check in checks}
    reasons: dict[str, list[DriftCheck]] = {}
    for check in checks:
        if check.value is None:
            reasons.setdefault(said(check).rstrip("."), []).append(check)
    found = []
    for reason, mine in sorted(reasons.items()):
        names = listed(sorted({check_name(check.check) for check in mine}))
        here = f" in {_units(mine)}" if {check.business_unit for check in mine} < every else ""
        found.append(f"{names}{here}: {reason}.")
    return found


def said(check: DriftCheck) -> str:
    """Its sentence where the business unit stands beside it."""
    return check.sentence.removeprefix(f"{check.business_unit}: ")


def _check_row(check: DriftCheck) -> dict[str, Any]:
    return {
        "unit": check.business_unit,
        "check": check_name(check.check),
        "metric": check.metric,
        "value": _figure(check.value),
        "limit": _figure(check.limit),
        "over": f"{count(check.series_over)} of {count(check.series)}",
        "said": said(check),
        "example": check.example,
    }


def _figure(value: float | None) -> str:
    """A figure to three digits: checks have units of their own."""
    return NONE if value is None else f"{value:,.3g}".replace("-", "−")
