"""Attempts of a flow run: how often it crashed, and when restarts must end."""

from __future__ import annotations

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from capforecast.errors import CapforecastError

RESTARTED = "Crashed; restarted by the automation restart-crashed."  # as config/automations.yaml says
RUN_AGAIN = "Run again for "  # how a run begins to say that it asks for its business unit's run once more


class GaveUp(CapforecastError):
    """A run crashed again and again: it fails, so that nothing restarts it, and waits for people."""


def attempt_number() -> int:
    """Which attempt of the flow run this is, from 1, as the server counts."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(runtime.flow_run.id).run_count or 1


def crashes_in_a_row() -> int:
    """Crashes of this flow run since it last ended by itself, or was last asked for: this attempt comes after them.

    What people or another run ask for again is no restart of what crashed before.
    """
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(runtime.flow_run.id)
    crashes = 0
    for state in sorted(states, key=lambda state: state.timestamp, reverse=True):
        if state.type == StateType.CRASHED:
            crashes += state.name == "Crashed"  # not the automations' note `Restarting` of the same crash
        elif state.is_final() or _asked_for(state):
            break
    return crashes


def _asked_for(state: State) -> bool:
    """Was the run scheduled again by people or by the run it belongs to, not by the automation?"""
    message = state.message or ""
    again = state.name == "AwaitingRetry" or message.startswith(RUN_AGAIN)
    return state.is_scheduled() and again and message != RESTARTED


def refuse_endless(restarts: int) -> int:
    """Raise GaveUp where this attempt would be one restart too many; returns the crashes so far."""
    crashes = crashes_in_a_row()
    if crashes > restarts:
        raise GaveUp(
            f"crashed {crashes} times in a row and is not restarted any more (flow.restarts: {restarts}); look for "
            "what kills it (memory?), then retry"
        )
    return crashes
