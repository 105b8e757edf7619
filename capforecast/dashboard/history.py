"""Records of runs, models, drift and report files, for the page Runs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pandas as pd

from capforecast.dashboard.published import FILES
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.errors import LakeError
from capforecast.lake.datasets import as_of_segment
from capforecast.report.summary import DriftCheck, ModelUsed
from capforecast.report.words import NONE, number

MOST_ATTEMPTS = 50  # the newest, whose records are read
MIME = {
    "pdf": "application/pdf",
    "html": "text/html",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_MANIFEST = re.compile(r"runs/([^/]+)/attempt=(\d+)/manifest\.json")
_EXECUTED = re.compile(r"runs/[^/]+/attempt=\d+/executed/[^/]+\.json")


@dataclass(frozen=True)
class Attempt:
    """One attempt of a run that left a record. content: its manifest; empty where that cannot be read."""

    run_id: str
    number: int
    ended: datetime
    content: dict[str, Any]

    @property
    def folder(self) -> str:
        """Where its record lies."""
        return f"runs/{self.run_id}/attempt={self.number}"


@dataclass(frozen=True)
class Details:
    """What an attempt did. stages: those it executed, longest first."""

    lines: list[str]
    stages: pd.DataFrame


def files(opened: OpenRun) -> list[str]:
    """Formats in which the report of a run is in the lake."""
    there = set(opened.lake.store.keys(opened.run.folder))
    return [label for label, name in FILES.items() if opened.run.key(name) in there]


def content(opened: OpenRun, label: str) -> bytes:
    """A report of a run; raises MissingObjectError."""
    return opened.lake.store.read(opened.run.key(FILES[label]))


def file_name(opened: OpenRun, label: str) -> str:
    """What the file is called once it is taken along."""
    stem, _, ending = FILES[label].rpartition(".")
    return f"{stem}-{as_of_segment(opened.run.as_of)}.{ending}"


def mime(label: str) -> str:
    """What kind of file it is, as browsers name it."""
    return MIME[FILES[label].rpartition(".")[2]]


def models(used: Sequence[ModelUsed]) -> pd.DataFrame:
    """Model versions, a row for each business unit."""
    return pd.DataFrame(
        [
            {
                "Business unit": m.business_unit,
                "Version": m.version,
                "Kind": m.kind,
                "Decision": m.action,
                "Trained before": m.model_as_of[:10],
                "Age, days": m.age_days,
                "Error by naive": m.relative_mae,
                "Inside 80 % band": m.coverage_80,
            }
            for m in used
        ]
    )


def drift(checks: Sequence[DriftCheck]) -> pd.DataFrame:
    """Checks for drift, a row each."""
    return pd.DataFrame(
        [
            {
                "Alarm": "yes" if c.alarm else "no",
                "Business unit": c.business_unit,
                "Check": c.check.replace("_", " "),
                "Metric": c.metric or "all",
                "Found": number(c.value, 3),
                "Limit": number(c.limit, 3),
                "Series over": c.series_over,
                "Series": c.series,
                "Example": c.example,
            }
            for c in checks
        ]
    )


def attempts(lake: Lake) -> list[Attempt]:
    """The newest attempts that left a record, newest first."""
    found = [(item, match) for item in lake.store.listed("runs") if (match := _MANIFEST.fullmatch(item.key))]
    newest = sorted(found, key=lambda pair: pair[0].modified, reverse=True)[:MOST_ATTEMPTS]
    return [Attempt(match[1], int(match[2]), item.modified, _manifest(lake, item.key)) for item, match in newest]


def _manifest(lake: Lake, key: str) -> dict[str, Any]:
    """A manifest, which never changes once it is there."""
    return lake.memory.get(("manifest", key), lambda: _parsed(lake, key))


def _parsed(lake: Lake, key: str) -> dict[str, Any]:
    try:
        content = json.loads(lake.store.read(key))
    except (ValueError, LakeError):
        return {}
    return content if isinstance(content, dict) else {}


def table(found: Sequence[Attempt], prefect_url: str) -> pd.DataFrame:
    """Attempts as a table; `Prefect` links to the run where an address of Prefect's UI is known."""
    rows = []
    for each in found:
        told = each.content.get("ingested") or {}
        problems = each.content.get("problems") or {}
        row = {
            "Ended (UTC)": f"{each.ended:%Y-%m-%d %H:%M}",
            "As of": str(told.get("as_of", NONE))[:10],
            "Cadence": str(told.get("cadence", NONE)),
            "Result": _result(each, problems),
            "Attempt": each.number,
            "Servers": told.get("servers"),
            "Run": each.run_id,
        }
        rows.append(
            row | ({"Prefect": f"{prefect_url}/runs/flow-run/{quote(each.run_id, safe='')}"} if prefect_url else {})
        )
    return pd.DataFrame(rows)


def _result(each: Attempt, problems: dict[str, Any]) -> str:
    if not each.content:
        return "its record cannot be read"
    return "finished" if not problems else f"without {', '.join(sorted(problems))}"


def details(lake: Lake, attempt: Attempt) -> Details:
    """What an attempt did: its parameters, problems and stages."""
    told = attempt.content
    lines = [f"{name}: {problem}" for name, problem in sorted((told.get("problems") or {}).items())]
    given = {k: v for k, v in (told.get("parameters") or {}).items() if v not in (None, False, "", [], {})}
    lines.append("Asked for: " + ", ".join(f"{name} {value}" for name, value in sorted(given.items())))
    made = {name: str(told.get(name, NONE))[:12] for name in ("version", "config", "code")}
    lines.append(f"Version {made['version']}, settings {made['config']}, code {made['code']}.")
    keys = [key for key in lake.store.keys(f"{attempt.folder}/executed") if _EXECUTED.fullmatch(key)]
    rows = [_manifest(lake, key) for key in keys]
    frame = pd.DataFrame(
        [
            {"Stage": row.get("stage"), "Business unit": row.get("business_unit"), "Seconds": row.get("seconds")}
            for row in rows
        ],
        columns=["Stage", "Business unit", "Seconds"],
    )
    return Details(lines, frame.sort_values("Seconds", ascending=False))
