"""Attempts of a flow run: how often it crashed, and when restarts must end."""

from __future__ import annotations

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from capforecast.errors import CapforecastError


class GaveUp(CapforecastError):
    """A run crashed again and again: it fails, so that nothing restarts it, and waits for people."""


def attempt_number() -> int:
    """Which attempt of the flow run this is, from 1, as the server counts."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(runtime.flow_run.id).run_count or 1


def crashes_in_a_row() -> int:
    """Crashes of this flow run since it last ended by itself (or began), this attempt being the one after them."""
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(runtime.flow_run.id)
    crashes = 0
    for state in sorted(states, key=lambda state: state.timestamp, reverse=True):
        if state.type == StateType.CRASHED:
            crashes += state.name == "Crashed"  # not the automations' note `Restarting` of the same crash
        elif state.is_final():
            break
    return crashes


def refuse_endless(restarts: int) -> int:
    """Raise GaveUp where this attempt would be one restart too many; returns the crashes so far."""
    crashes = crashes_in_a_row()
    if crashes > restarts:
        raise GaveUp(
            f"crashed {crashes} times in a row and is not restarted any more (flow.restarts: {restarts}); look for "
            "what kills it (memory?), then retry"
        )
    return crashes
