"""A scenario: a name and what would be otherwise. JSON and YAML in, JSON out; the same content has the same id."""

from __future__ import annotations

import difflib
import hashlib
import json
import unicodedata
from typing import Any, Self, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from capforecast.actions.scenario_changes import KINDS, AnyChange, NewServers, Part, Selection
from capforecast.actions.scenario_text import parsed
from capforecast.errors import UsageError

LONGEST_NAME = 80
UNNAMED = "unnamed"
MOST_NAMES = 50_000  # in all selections together
MOST_NEW = 100_000  # servers, of all changes together: half a second


class Scenario(Part):
    """A named set of changes. They hold together: loads add up, factors multiply, of thresholds the last one counts."""

    name: str = Field(UNNAMED, min_length=1, max_length=LONGEST_NAME, description="what people call it")
    note: str = Field("", max_length=2000, description="why, for those who read it later")
    changes: tuple[AnyChange, ...] = Field((), max_length=200, description="what would be otherwise")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if name != name.strip() or any(unicodedata.category(sign).startswith("C") for sign in name):
            raise ValueError("a name has no control characters, and no space at its ends")
        return name

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        names = sum(change.names for change in self.changes)
        if names > MOST_NAMES:
            raise ValueError(
                f"its selections hold {names:,} names, and at most {MOST_NAMES:,} are allowed in all: select by "
                "business unit, region or tier"
            )
        new = sum(change.count for change in self.changes if isinstance(change, NewServers))
        if new > MOST_NEW:
            raise ValueError(f"{new:,} new servers, and at most {MOST_NEW:,} are allowed in all")
        return self

    @property
    def id(self) -> str:
        """16 hex digits of what it says: the key for links."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """JSON with sorted keys, of what is not left at its default."""
        content = self.model_dump(mode="json", exclude_defaults=True) | {"name": self.name}
        content["changes"] = [
            {"kind": change.kind} | change.model_dump(mode="json", exclude_defaults=True) for change in self.changes
        ]
        return json.dumps(content, sort_keys=True, ensure_ascii=False, indent=2)

    @classmethod
    def of(cls, content: Any, where: str = "scenario") -> Scenario:
        """From what JSON or YAML holds; raises UsageError that names `where`, the change, the field and the fix."""
        if not isinstance(content, dict):
            raise UsageError(f"{where}: not a scenario; it is an object with `name` and `changes`")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise UsageError(f"{where}: {'; '.join(_problem(one) for one in error.errors()[:3])}") from None

    @classmethod
    def from_text(cls, text: str, where: str = "scenario") -> Scenario:
        """From JSON or YAML text; raises UsageError as `of`, and for text that is neither or too large."""
        return cls.of(parsed(text, where), where)


def _problem(error: Any) -> str:
    """A fault in words: `changes[1] (growth), percent_per_month: Field required`."""
    place = [str(part) for part in error["loc"]]
    said, kind = error["msg"].removeprefix("Value error, "), error["type"]
    if place[:1] == ["changes"] and len(place) > 1:
        number = f"changes[{int(place[1]) + 1}]" if place[1].isdigit() else place[1]
        head = f"{number} ({place[2]})" if len(place) > 2 else number
        place = [head, *place[3:]]
        if kind.startswith("union_tag"):
            return f"{head}: `kind` must be one of {', '.join(KINDS)}"
    if kind == "extra_forbidden":
        there = _fields_at(error["loc"])
        close = difflib.get_close_matches(place[-1], there, n=1)
        said = "no such field; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(there)}")
    where = ": ".join(filter(None, (place[0] if place else "", ".".join(place[1:]))))
    return f"{where}: {said}" if where else said


def _fields_at(place: tuple[Any, ...]) -> list[str]:
    """Fields there are where one is that is none: of the scenario, of a kind of change, of a selection."""
    if place[0] != "changes" or len(place) < 4:
        return sorted(Scenario.model_fields)
    if len(place) > 4:
        return sorted(Selection.model_fields)
    kinds = get_args(get_args(AnyChange)[0])
    return sorted(next(kind for kind in kinds if kind.model_fields["kind"].default == place[2]).model_fields)
