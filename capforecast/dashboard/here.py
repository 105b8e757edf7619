"""What this process serves: one lake, for all who look. Set once, before the server starts."""

from __future__ import annotations

from dataclasses import dataclass

from capforecast.dashboard.reading import Lake
from capforecast.errors import ConfigError


@dataclass(frozen=True)
class Served:
    """The lake, and how it is served.

    prefect_url: "" = nowhere to link to.  read_only: nobody decides or saves here.
    """

    lake: Lake
    prefect_url: str = ""
    read_only: bool = False


_served: list[Served] = []


def serve(served: Served) -> None:
    """Say what is served, in place of what was."""
    _served[:] = [served]


def served() -> Served:
    """What is served; raises ConfigError where nobody said."""
    if not _served:
        raise ConfigError("This app does not know its lake. Start it with `capforecast dashboard --store ...`.")
    return _served[0]


def stop() -> None:
    """Serve nothing any more."""
    _served.clear()
