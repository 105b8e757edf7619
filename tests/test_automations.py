"""config/automations.yaml against Prefect's own models, and what alerts say."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import jinja2
import pytest
import yaml

from capforecast.errors import ConfigError
from deployments.automations import FIELDS, OURS, Places, entries, message, rendered

RUNBOOK = "https://wiki.example.com/runbook"
ALL = Places(webhook=UUID(int=1), slack=UUID(int=2), sns=UUID(int=3))
HEALING = {"zombie-runs", "note-crashed", "restart-crashed"}
ROOT = Path(__file__).parents[1]


def by_name(places: Places) -> dict[str, Any]:
    return {made.name.removeprefix("capforecast: "): made for made in rendered(entries(), places, RUNBOOK)}


def changed(tmp_path: Path, **changes: Any) -> Path:
    """The file of one automation, run-failed, changed."""
    entry = {
        "description": "x",
        "trigger": {"type": "event", "posture": "Reactive", "expect": ["a"]},
        "actions": [{"type": "do-nothing"}],
    } | changes
    path = tmp_path / "automations.yaml"
    path.write_text(yaml.safe_dump({"automations": {"mine": entry}}))
    return path


def test_every_automation_is_one_prefect_takes_and_bears_our_mark() -> None:
    made = by_name(ALL)
    assert set(made) == set(entries())
    assert all(each.tags == [OURS] for each in made.values())
    told = {name for name, each in made.items() if len(each.actions) == 3}
    assert told == set(made) - HEALING


def test_where_nobody_is_told_only_what_heals_is_left() -> None:
    assert set(by_name(Places())) == HEALING


def test_every_alert_has_its_row_in_the_runbook() -> None:
    section = (ROOT / "docs/runbook.md").read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    for name, entry in entries().items():
        assert entry.tell is None or f"| `{name}` |" in section, name


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trigger": {"type": "event", "posture": "Reactive", "expekt": ["a"]}}, "trigger has no key expekt"),
        ({"actions": [{"type": "do-nothing", "forse": True}]}, "actions has no key forse"),
        ({"actions": [{"type": "call-webhok"}]}, "automation 'mine'"),
        ({"trigger": {"type": "event", "posture": "Proactive", "within": 5}}, "automation 'mine'"),
        ({"descripton": "x"}, "descripton"),
        ({"tell": {"about": "run", "what": "x", "do": "y", "too": "z"}}, "too"),
    ],
)
def test_a_misspelt_key_is_refused_and_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        rendered(entries(changed(tmp_path, **changes)), ALL, RUNBOOK)


def test_runs_of_others_are_left_alone() -> None:
    for name, each in by_name(ALL).items():
        trigger = each.trigger
        if trigger.match.root.get("prefect.resource.id") != "prefect.flow-run.*" or name == "restart-crashed":
            continue
        asked = trigger.match_related if isinstance(trigger.match_related, list) else [trigger.match_related]
        assert ["prefect.tag.capforecast"] in [each["prefect.resource.id"] for each in asked], name
    second = by_name(ALL)["restart-crashed"].trigger  # only what the first step has noted
    assert second.after == {"prefect.flow-run.Restarting"}


def test_a_restart_wants_the_tag_a_deployment_and_that_it_had_been_running() -> None:
    trigger = by_name(ALL)["note-crashed"].trigger
    related = {each["prefect.resource.id"][0] for each in trigger.match_related}
    assert related == {"prefect.tag.capforecast", "prefect.tag.auto-restart", "prefect.deployment.*"}
    assert trigger.after == {"prefect.flow-run.Running"}
    assert trigger.within.days == 7  # 0 would forget within a minute that it was running


def test_heartbeats_of_deployments_are_frequent_enough_for_the_zombie_trigger() -> None:
    content = (ROOT / "prefect.yaml").read_text()
    beat = int(content.split('PREFECT_FLOWS_HEARTBEAT_FREQUENCY: "')[1].split('"')[0])
    assert by_name(ALL)["zombie-runs"].trigger.within.total_seconds() >= 3 * beat


def said(name: str, **context: Any) -> dict[str, str]:
    """The JSON of an alert, rendered as Prefect's server does."""
    tell = entries()[name].tell
    assert tell is not None
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined)
    environment.filters["ui_url"] = lambda thing: f"http://ui/{thing.id}"
    found: dict[str, str] = json.loads(environment.from_string(message(name, tell, RUNBOOK)).render(**context))
    assert set(found) == {"alert", "text", *FIELDS}
    return found


def test_an_alert_says_what_whose_since_when_where_and_what_to_do() -> None:
    run = SimpleNamespace(name="weekly-2026-11-23", id=7, parameters={"as_of": "2026-11-23", "business_unit": "pay"})
    event = SimpleNamespace(payload={"validated_state": {"message": 'it <broke> "badly"\nand\tmore'}})
    found = said("run-failed", flow_run=run, event=event)
    assert found["what"] == 'The run failed: it <broke> "badly" and\tmore'
    assert (found["run"], found["as_of"], found["business_unit"]) == ("weekly-2026-11-23", "2026-11-23", "pay")
    assert found["link"] == "http://ui/7"
    assert found["do"].endswith(f"{RUNBOOK}#alerts")
    for field in ("what", "run", "business_unit", "do", "link"):
        assert found[field] in found["text"]


def test_an_alert_is_json_whatever_is_unknown() -> None:
    for name, entry in entries().items():
        if entry.tell is not None:
            found = said(name, flow_run=None, work_pool=None, event=SimpleNamespace(resource={}, payload={}))
            assert (found["alert"], found["link"]) == (name, "")


def test_a_long_reason_is_cut() -> None:
    event = SimpleNamespace(payload={"validated_state": {"message": "x" * 5000}})
    assert len(said("run-failed", flow_run=None, event=event)["what"]) < 700


def test_a_cut_off_is_said_as_a_day_or_as_it_was_asked_for() -> None:
    event = SimpleNamespace(resource={}, payload={"validated_state": {"message": "x"}})
    for asked, day in (("business-day", "business-day"), ("2026-11-23T00:00:00+00:00", "2026-11-23")):
        run = SimpleNamespace(name="weekly", id=7, parameters={"as_of": asked})
        assert f"As of {day}." in said("run-failed", flow_run=run, event=event)["text"]


def test_attempts_know_the_restart_by_what_it_says() -> None:
    from flows.attempts import RESTARTED

    (action,) = entries()["restart-crashed"].actions
    assert action["message"] == RESTARTED
