"""Automations as code: config/automations.yaml, checked and rendered with the blocks and deployments of a server.

Rendering needs no server. `tell` of an automation becomes one action for each place that alerts go to; all carry the
same fields, which Prefect's server fills in from the event when the alert is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from capforecast.configuration import config_folder
from capforecast.errors import ConfigError

if TYPE_CHECKING:
    from prefect.events.schemas.automations import AutomationCore

FILE = "automations.yaml"
OURS = "capforecast-setup"  # tag of the automations that setup made, and may change or delete
PREFIX = "capforecast: "
# Name, link, cut-off and business unit of what an alert is about.
_ABOUT = {
    "run": {
        "run": "{{ flow_run.name }}",
        "link": "{{ (flow_run | ui_url if flow_run else '') or '' }}",
        "as_of": "{{ flow_run.parameters.as_of or '' }}",
        "business_unit": "{{ flow_run.parameters.business_unit or "
        "(flow_run.parameters.business_units or []) | join(', ') }}",
    },
    "pool": {
        "run": "",
        "link": "{{ (work_pool | ui_url if work_pool else '') or '' }}",
        "as_of": "",
        "business_unit": "",
    },
    "fleet": {
        "run": "{{ flow_run.name }}",
        "link": "{{ (flow_run | ui_url if flow_run else '') or '' }}",
        "as_of": "{{ event.resource['capforecast.as-of'] or '' }}",
        "business_unit": "{{ event.payload.business_unit or (event.payload.business_units or []) | join(', ') }}",
    },
}  # fmt: skip
FIELDS = ("what", "run", "as_of", "business_unit", "link", "do")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tell(_Strict):
    """What an alert says."""

    about: Literal["run", "pool", "fleet"]
    what: str = Field(min_length=1)
    do: str = Field(min_length=1)


class Entry(_Strict):
    """One automation of the file."""

    description: str = Field(min_length=1)
    trigger: dict[str, Any]
    actions: list[dict[str, Any]] = []
    tell: Tell | None = None


class _File(_Strict):
    automations: dict[str, Entry]


@dataclass(frozen=True)
class Places:
    """Where alerts go: ids of blocks and of the deployment that publishes to SNS; None = not there."""

    webhook: UUID | None = None
    slack: UUID | None = None
    sns: UUID | None = None

    def __bool__(self) -> bool:
        return any((self.webhook, self.slack, self.sns))


def entries(path: Path | None = None) -> dict[str, Entry]:
    """The automations of the file shipped with capforecast, or of another. Raises ConfigError."""
    file = config_folder() / FILE if path is None else path
    try:
        return _File.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))).automations
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{file}: {error}") from None


def rendered(found: dict[str, Entry], places: Places, runbook: str) -> list[AutomationCore]:
    """Prefect's automations; one without action (nobody to tell) is left out. Raises ConfigError."""
    return [made for name, entry in found.items() if (made := _automation(name, entry, places, runbook)) is not None]


def _automation(name: str, entry: Entry, places: Places, runbook: str) -> AutomationCore | None:
    from prefect.events.schemas.automations import AutomationCore

    actions = entry.actions + ([] if entry.tell is None else told(name, entry.tell, places, runbook))
    if not actions:
        return None
    content = {
        "name": PREFIX + name,
        "description": entry.description,
        "tags": [OURS],
        "trigger": entry.trigger,
        "actions": actions,
    }
    try:
        made = AutomationCore.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"automation {name!r}: {error}") from None
    _refuse_unknown(name, "trigger", entry.trigger, made.trigger)
    for action, model in zip(actions, made.actions, strict=True):
        _refuse_unknown(name, "actions", action, model)
    return made


def _refuse_unknown(name: str, part: str, given: dict[str, Any], model: BaseModel) -> None:
    """Prefect ignores keys it does not know: an alert would wait for something else than is written."""
    unknown = sorted(set(given) - set(type(model).model_fields))
    if unknown:
        known = ", ".join(sorted(set(type(model).model_fields) - {"id"}))
        raise ConfigError(f"automation {name!r}: {part} has no key {', '.join(unknown)}; there are {known}")


def told(name: str, tell: Tell, places: Places, runbook: str) -> list[dict[str, Any]]:
    """The actions that tell people, one for each place."""
    actions: list[dict[str, Any]] = []
    if places.webhook is not None:
        payload = message(name, tell, runbook)
        actions.append({"type": "call-webhook", "block_document_id": str(places.webhook), "payload": payload})
    if places.slack is not None:
        subject, body = f"capforecast: {name}", _set(tell, runbook) + _TEXT
        actions.append(
            {"type": "send-notification", "block_document_id": str(places.slack), "subject": subject, "body": body}
        )
    if places.sns is not None:
        alert = {"__prefect_kind": "jinja", "template": message(name, tell, runbook)}
        actions.append({"type": "run-deployment", "deployment_id": str(places.sns), "parameters": {"alert": alert}})
    return actions


_TEXT = (
    "{{ what }}{% if run %} Run: {{ run }}.{% endif %}{% if as_of %} As of {{ as_of.split('T')[0] }}.{% endif %}"
    "{% if business_unit %} Business unit: {{ business_unit }}.{% endif %} To do: {{ do }}"
    "{% if link %} {{ link }}{% endif %}"
)


def message(name: str, tell: Tell, runbook: str) -> str:
    """Template of an alert as JSON: `alert`, FIELDS and `text`, the same in one line, as chats show it."""
    fields = "".join(f', "{field}": {{{{ {field} | tojson }}}}' for field in FIELDS)
    text = f"{{% set text %}}{_TEXT}{{% endset %}}"
    return f'{_set(tell, runbook)}{text}{{"alert": "{name}"{fields}, "text": {{{{ text | tojson }}}}}}'


def _set(tell: Tell, runbook: str) -> str:
    """Template that gives each of FIELDS its text, on one line and without loose ends."""
    values = _ABOUT[tell.about] | {"what": tell.what, "do": f"{tell.do} {runbook}#alerts"}
    clean = "{% filter replace('\\n', ' ') | truncate(600) | trim %}"
    return "".join(f"{{% set {field} %}}{clean}{values[field]}{{% endfilter %}}{{% endset %}}" for field in FIELDS)
