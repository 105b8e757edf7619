"""What a reader must know of models and drift besides the headline, from a summary's JSON. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLDER = ("fell_back", "pinned")  # what was decided where not the newest model, or not the best, need be in use
MOST = 5


def model_notes(summary: Mapping[str, Any], most: int = MOST) -> list[str]:
    """Sentences on older models, then on drift, `most` of each; a summary from before they were recorded has none."""
    models = [each["sentence"] for each in summary.get("model_versions", []) if each["action"] in OLDER]
    alarms = [each["sentence"] for each in summary.get("drift", []) if each["alarm"]]
    return [*_first(models, most, "older or pinned models"), *_first(alarms, most, "drift alarms")]


def _first(sentences: list[str], most: int, what: str) -> list[str]:
    more = len(sentences) - most
    return sentences[:most] + ([f"{more} more {what}: see the report, under models and drift"] if more > 0 else [])
