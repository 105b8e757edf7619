"""Flows of nothing but a name, for tests of what Prefect's automations do with runs."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow
from prefect.events import emit_event


@flow(name="tiny")
def tiny(
    seconds: float = 0.0,
    fail: str = "",
    until_attempt: int = 1,
    events: list[dict[str, Any]] | None = None,
    as_of: str | None = None,
    business_unit: str | None = None,
) -> str:
    """Take some seconds on attempts before `until_attempt`, and those of that attempt too where it is the first."""
    from prefect import runtime

    if fail:
        raise ValueError(fail)
    for event in events or []:
        emit_event(**event)
    if until_attempt == 1 or runtime.flow_run.run_count < until_attempt:
        time.sleep(seconds)
    return "done"
