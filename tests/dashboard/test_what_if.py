"""What the page What-if says of outcomes, and which scenarios it opens."""

from __future__ import annotations

import json
import re

import pytest
from app_tests import texts, visit

from capforecast.actions.scenario import Scenario
from capforecast.dashboard import what_if
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.errors import UsageError


def test_costs_are_not_compared_where_a_price_is_lost(opened: OpenRun) -> None:
    change = {"kind": "resize", "vcpus": 64, "memory_gib": 512}
    lost = what_if.outcome(opened, Scenario.of({"name": "other sizes", "changes": [change]}))
    assert re.search(r"Cost cannot be compared: \d+ servers have no price in the scenario", what_if.headline(lost))
    for scope in ("", what_if.scopes(lost)[1]):
        costs = [figure for figure in what_if.figures(lost, scope) if figure.label.startswith("cost")]
        assert [(figure.after, figure.change) for figure in costs] == [("unknown", None)] * 2
        assert all("no price in the scenario" in figure.unknown for figure in costs)
    assert set(what_if.totals(lost)["Cost a month"]) == {"unknown"}
    known = what_if.outcome(opened, Scenario.of({"name": "priced", "changes": [change | {"hourly_cost": 9.0}]}))
    assert "a month more" in what_if.headline(known)


def test_another_name_is_not_another_answer(opened: OpenRun) -> None:
    scenario = Scenario.of({"name": "x", "changes": [{"kind": "growth", "percent_per_month": 7}]})
    found = what_if.outcome(opened, scenario)
    assert what_if.outcome(opened, scenario.model_copy(update={"name": "y"})) is found
    other = Scenario.of({"name": "x", "changes": [{"kind": "growth", "percent_per_month": 8}]})
    assert what_if.outcome(opened, other) is not found


def test_a_scenario_that_somebody_changed_is_not_taken_for_an_empty_one(own_lake: Lake) -> None:
    name = what_if.save(own_lake, Scenario.of({"name": "x", "changes": [{"kind": "retire"}]}))
    own_lake.store.delete(f"scenarios/{name}.json")
    own_lake.store.put(f"scenarios/{name}.json", json.dumps({"name": "x"}).encode())
    with pytest.raises(UsageError, match="was changed since"):
        what_if.load(own_lake, name)
    assert "was changed since" in texts(visit("what-if", scenario=name)).replace("\\", "")


def test_what_the_sliders_say_is_the_text_to_go_on_from(served: Lake) -> None:
    app = visit("what-if")
    app.slider(key="w_growth").set_value(7.0).run()
    app.toggle(key="scenario_as_text").set_value(True).run()
    told = json.loads(app.text_area(key="scenario_text").value)
    assert [change["kind"] for change in told["changes"]] == ["growth"]
    assert told["changes"][0]["percent_per_month"] == 7.0
    assert not app.error
