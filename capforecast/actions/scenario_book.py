"""Saved scenarios of a lake, read and written as scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from capforecast.actions.scenario import Scenario
from capforecast.errors import UsageError
from capforecast.lake import scenarios
from capforecast.lake.store import Store


@dataclass(frozen=True)
class Entry:
    """A saved scenario: its id, which a link names; when it was saved; None with a problem = it cannot be read."""

    id: str
    saved: datetime
    scenario: Scenario | None
    problem: str = ""


def save(store: Store, scenario: Scenario) -> str:
    """Save a scenario; returns its id. The same scenario saved again keeps its id."""
    return scenarios.save(store, scenario.to_json())


def read(store: Store, name: str) -> Scenario:
    """A scenario by its id, or the one saved last under a name; raises UsageError where none can be read."""
    entry = _entry(scenarios.read(store, name))
    if entry.scenario is None:
        raise UsageError(entry.problem)
    return entry.scenario


def listed(store: Store) -> list[Entry]:
    """All saved scenarios, the one saved last first."""
    return [_entry(saved) for saved in scenarios.listed(store)]


def delete(store: Store, name: str) -> str:
    """Delete a scenario by its id, or the one saved last under a name; returns its id. Raises UsageError for none."""
    found = scenarios.read(store, name).id
    scenarios.delete(store, found)
    return found


def _entry(saved: scenarios.Saved) -> Entry:
    if saved.problem:
        return Entry(saved.id, saved.saved, None, saved.problem)
    try:
        return Entry(saved.id, saved.saved, Scenario.of(saved.content, f"scenario {saved.id}"))
    except UsageError as error:
        return Entry(saved.id, saved.saved, None, str(error))
