"""Loads what the app is made of before its first visitor: modules, and what the first page shows."""

from __future__ import annotations

from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake


def warm(lake: Lake) -> None:
    """Import the pages and read the newest run. Raises what reading raises."""
    import capforecast.dashboard.ui
    import capforecast.dashboard.views.data
    import capforecast.dashboard.views.money
    import capforecast.dashboard.views.overview
    import capforecast.dashboard.views.pools
    import capforecast.dashboard.views.runs
    import capforecast.dashboard.views.server
    import capforecast.dashboard.views.servers
    import capforecast.dashboard.views.warnings
    import capforecast.dashboard.views.what_if  # noqa: F401

    fleet.servers(lake.open(lake.run(None)))
