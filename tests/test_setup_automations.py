"""`capforecast setup automations` on a real server: ours as the file has them, others' left alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from prefect.exceptions import ObjectNotFound

from capforecast.configuration import load
from capforecast.errors import ConfigError
from deployments import setup_automations
from deployments.automations import OURS, Entry, entries
from deployments.setup_automations import set_up_automations
from deployments.setup_server import server

HEALING = {"capforecast: zombie-runs", "capforecast: note-crashed", "capforecast: restart-crashed"}
QUIET = load(environment={}, overrides={"store": "lake"})


@pytest.fixture
def client(prefect_api: str) -> Iterator[Any]:
    """A client of a server that has none of our automations; nor afterwards."""
    with server() as client:
        yield client
        for each in client.read_automations():
            client.delete_automation(each.id)


def there(client: Any) -> dict[str, Any]:
    return {each.name: each for each in client.read_automations()}


def done(client: Any, loaded: Any = QUIET, **more: Any) -> dict[str, str]:
    return {row["automation"]: row["done"] for row in set_up_automations(client, loaded, **more) if row["automation"]}


def test_a_second_time_changes_nothing_and_a_dry_run_never_does(client: Any) -> None:
    assert done(client, dry_run=True) == dict.fromkeys(HEALING, "would be created")
    assert not HEALING & set(there(client))
    assert done(client) == dict.fromkeys(HEALING, "created")
    for _ in range(3):  # Prefect hands back sets in any order
        assert done(client) == dict.fromkeys(HEALING, "unchanged")
    assert set(there(client)) >= HEALING


def test_what_differs_is_brought_up_to_date_and_what_is_gone_deleted(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(client)
    before = there(client)["capforecast: zombie-runs"].id
    found: dict[str, Entry] = dict(entries())
    trigger = found["zombie-runs"].trigger | {"within": 120}
    changed = {"zombie-runs": found["zombie-runs"].model_copy(update={"trigger": trigger})}
    monkeypatch.setattr(setup_automations, "entries", lambda: changed)
    assert done(client) == {
        "capforecast: zombie-runs": "updated",
        "capforecast: note-crashed": "deleted",
        "capforecast: restart-crashed": "deleted",
    }
    now = there(client)
    assert not {"capforecast: note-crashed", "capforecast: restart-crashed"} & set(now)
    assert now["capforecast: zombie-runs"].id == before
    assert now["capforecast: zombie-runs"].trigger.within.total_seconds() == 120
    assert done(client) == {"capforecast: zombie-runs": "unchanged"}


def test_those_of_others_are_left_alone_and_one_switched_off_stays_off(client: Any) -> None:
    done(client)
    ours = there(client)["capforecast: note-crashed"]
    foreign = ours.model_copy(update={"name": "capforecast: of others", "tags": ["mine"]})
    client.create_automation(type(ours).__base__.model_validate(foreign.model_dump(exclude={"id"})))
    client.pause_automation(ours.id)
    assert "capforecast: of others" not in done(client)
    now = there(client)
    assert now["capforecast: of others"].tags == ["mine"]
    assert not now["capforecast: note-crashed"].enabled
    assert now["capforecast: zombie-runs"].tags == [OURS]


def test_a_setup_without_a_place_leaves_those_who_tell_somebody(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = load(environment={}, overrides={"alerts.webhook_url_env": "HOOK"})
    with monkeypatch.context() as patch:
        patch.setattr(setup_automations, "_block", lambda *_: UUID(int=1))
        made = done(client, told)
    alerts = set(made) - HEALING
    assert "capforecast: run-failed" in alerts
    now = done(client)
    assert {name for name, what in now.items() if what == "left"} == alerts
    assert set(there(client)) >= set(made)


def test_a_place_that_is_not_there_yet_is_named_with_the_command_that_makes_it(client: Any) -> None:
    with contextlib.suppress(ObjectNotFound):  # of another test
        client.delete_block_document(client.read_block_document_by_name("capforecast-alerts", "webhook").id)
    by_hook = load(environment={}, overrides={"alerts.webhook_url_env": "HOOK"})
    with pytest.raises(ConfigError, match=r"no block webhook/capforecast-alerts: `capforecast setup blocks`"):
        set_up_automations(client, by_hook)
    by_sns = load(environment={}, overrides={"alerts.sns_topic": "arn:aws:sns:eu-west-1:111122223333:alerts"})
    with pytest.raises(ConfigError, match=r"no deployment notify/notify: `prefect --no-prompt deploy --all`"):
        set_up_automations(client, by_sns)
    assert not HEALING & set(there(client))  # nothing half done
