"""What a reader must know of models and drift besides the headline, from a summary's JSON. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLDER = ("fell_back", "pinned")  # what was decided where the model in use may be neither the newest nor the best
MOST = 5


def model_notes(summary: Mapping[str, Any], most: int = MOST) -> list[str]:
    """Sentences on fall-back and pinned models, then on drift, `most` of each; none of a summary before schema 3."""
    models = [each["sentence"] for each in summary.get("model_versions", []) if each["action"] in OLDER]
    alarms = [each["sentence"] for each in summary.get("drift", []) if each["alarm"]]
    return [*_first(models, most, "fall-back or pinned models"), *_first(alarms, most, "drift alarms")]


def _first(sentences: list[str], most: int, what: str) -> list[str]:
    more = len(sentences) - most
    return sentences[:most] + ([f"{more} more {what}: see the report, under models and drift"] if more > 0 else [])
