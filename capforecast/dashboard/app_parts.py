"""Loads what the app is made of before its first visitor: modules, and what the first page shows."""

from __future__ import annotations

import gc

from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.schema import BUSINESS_UNIT, SERVER_ID

MOST_RUNS = 4  # that the overview shows side by side at first


def warm(lake: Lake) -> None:
    """Import the pages and read the newest run. Raises what reading raises.

    What is loaded then is kept out of garbage collection: it lives as long as the process, and Streamlit collects
    after every press, which took 100 ms of each.
    """
    try:
        _load(lake)
    finally:
        gc.collect()
        gc.freeze()


def _load(lake: Lake) -> None:
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
    from capforecast.dashboard import advice, figures, matrix, what_if, what_if_form
    from capforecast.dashboard.looks import LIGHT

    opened = lake.open(lake.run(None))
    fleet.servers(opened)
    like = [run for run in lake.runs() if run.cadence == opened.run.cadence]
    summaries, _ = lake.summaries(like[:MOST_RUNS])
    figures.tiers_figure(summaries, LIGHT).to_json()  # the chart library loads its parts at the first chart
    matrix.styled(matrix.table(opened.summary, "unit"), LIGHT).to_html()
    advice.open_advice(opened)
    _one_server(opened)
    if opened.made.table("path_levels"):  # seconds over 10,000 servers, which no visitor should wait for
        what_if.outcome(opened, what_if_form.scenario_of(what_if_form.Answers(growth=1.0)))


def _one_server(opened: OpenRun) -> None:
    """Draw the worst server: readers, calendars and the parts of its chart load with the first one."""
    from capforecast.dashboard import fan_figure, one_server
    from capforecast.dashboard.looks import LIGHT

    for row in fleet.servers(opened).head(1).to_dict("records"):
        unit = str(row[BUSINESS_UNIT])
        for series in one_server.series_rows(opened, unit, str(row[SERVER_ID]))[:1]:
            view = one_server.series_view(opened, unit, series)
            if len(view.timestamps):
                fan_figure.fan_figure(view, LIGHT).to_json()
