"""Loads what the app is made of before its first visitor: modules, and what the first page shows."""

from __future__ import annotations

from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake

MOST_RUNS = 4  # that the overview shows side by side at first


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
    from capforecast.dashboard import advice, figures, matrix, what_if, what_if_form
    from capforecast.dashboard.looks import LIGHT

    opened = lake.open(lake.run(None))
    fleet.servers(opened)
    like = [run for run in lake.runs() if run.cadence == opened.run.cadence]
    summaries, _ = lake.summaries(like[:MOST_RUNS])
    figures.tiers_figure(summaries, LIGHT).to_json()  # the chart library loads its parts at the first chart
    matrix.styled(matrix.table(opened.summary, "unit"), LIGHT).to_html()
    advice.open_advice(opened)
    if opened.made.table("path_levels"):  # seconds over 10,000 servers, which no visitor should wait for
        what_if.outcome(opened, what_if_form.scenario_of(what_if_form.Answers(growth=1.0)))
