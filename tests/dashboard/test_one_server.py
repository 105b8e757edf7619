"""One server: its past on the grid, its forecast, and how what was said before has fared."""

from __future__ import annotations

from dataclasses import replace

import dashboard_lake
import numpy as np
import pandas as pd
import pytest

from capforecast.dashboard import fan_figure, fleet, one_server, server_words
from capforecast.dashboard.looks import DARK, LIGHT
from capforecast.dashboard.reading import OpenRun
from capforecast.lake.datasets import read_frame


@pytest.fixture
def server(opened: OpenRun) -> str:
    table = fleet.servers(opened)
    return str(table.loc[table["tier"] == "critical", "server_id"].iloc[0])


def view_of(opened: OpenRun, server: str, metric: str = "cpu") -> one_server.SeriesView:
    row = one_server.server_row(opened, server)
    assert row is not None
    rows = one_server.series_rows(opened, row["business_unit"], server)
    return one_server.series_view(opened, row["business_unit"], next(r for r in rows if r["metric"] == metric))


def test_past_and_forecast_are_those_of_the_tables(opened: OpenRun, server: str) -> None:
    view = view_of(opened, server)
    unit = str(view.row["business_unit"])
    store = opened.lake.store
    processed = read_frame(store, opened.made.of_unit(unit, "processed"))
    mine = processed[processed["server_id"] == server]
    seen = pd.Series(view.history, index=view.timestamps.tz_localize("UTC")).dropna()
    wanted = mine.set_index("timestamp")["cpu_p95"].dropna()
    assert np.array_equal(seen.to_numpy(), wanted.to_numpy().astype(float))
    assert list(seen.index) == list(wanted.index)
    assert (np.diff(view.timestamps) == np.timedelta64(1, "D")).all()
    told = read_frame(store, opened.made.of_unit(unit, "forecasts"))
    told = told[(told["server_id"] == server) & (told["metric"] == "cpu")]
    assert view.outlook is not None
    assert np.allclose(view.outlook.quantiles["q90"], told["q90"])
    assert view.outlook.timestamps[0] == view.origin + pd.Timedelta(days=1)


def test_hindsight_is_the_error_on_what_came_since(opened: OpenRun, server: str) -> None:
    view = view_of(opened, server)
    (earlier,) = [opened.lake.open(run) for run in one_server.earlier_runs(opened)]
    (fared,) = one_server.hindsight(view, [earlier])
    came = pd.Series(view.history, index=view.timestamps).reindex(fared.outlook.timestamps).to_numpy()
    seen = np.isfinite(came)
    assert fared.points == seen.sum() == 14
    assert fared.error == pytest.approx(np.abs(came - fared.outlook.quantiles["q50"])[seen].mean())
    assert 0 <= fared.inside <= 1


def test_hindsight_of_a_server_that_was_in_another_unit_then(opened: OpenRun, server: str) -> None:
    view = view_of(opened, server)
    earlier = [opened.lake.open(run) for run in one_server.earlier_runs(opened)]
    unit = str(view.row["business_unit"])
    other = next(name for name in fleet.servers(opened)["business_unit"].astype("str") if name != unit)
    moved = replace(view, row=view.row | {"business_unit": other})
    (fared,), (wanted,) = one_server.hindsight(moved, earlier), one_server.hindsight(view, earlier)
    assert fared.error == wanted.error


def test_the_deciding_metric_comes_first(opened: OpenRun, server: str) -> None:
    row = one_server.server_row(opened, server)
    assert row is not None
    assert one_server.series_rows(opened, row["business_unit"], server)[0]["metric"] == row["metric"]


def test_what_stands_beside_the_tier_is_not_taken_for_it() -> None:
    row = {"business_unit": "retail", "region": np.nan, "criticality": "high", "vcpus": 4.0}
    assert server_words.facts(row) == ["retail", "high criticality", "4 vCPU", "nobody owns it"]


@pytest.mark.parametrize("looks", [LIGHT, DARK])
def test_the_chart_has_threshold_bands_and_no_markup(opened: OpenRun, looks: object) -> None:
    view = view_of(opened, dashboard_lake.HTML)
    text = fan_figure.fan_figure(view, looks).to_json()  # type: ignore[arg-type]
    assert "80 % band" in text
    assert "<img" not in text
    assert dashboard_lake.HTML in fan_figure.fan_alt(view)


def test_the_past_that_is_drawn_is_as_long_as_it_is_called(opened: OpenRun, server: str) -> None:
    view = view_of(opened, server)
    text = fan_figure.fan_figure(view, LIGHT, 30).to_plotly_json()
    (observed,) = [trace for trace in text["data"] if trace.get("name") == "observed"]
    assert pd.Timestamp(observed["x"][0]) == view.origin - pd.Timedelta(days=29)
    units = {"week": 7, "month": 30.4, "year": 365}
    for cadence, lengths in fan_figure.SHOWN_DAYS.items():
        assert fan_figure.USUAL[cadence] in lengths
        assert lengths["all"] is None
        for name, days in ((name, days) for name, days in lengths.items() if days):
            number, unit = name.split()
            assert days == pytest.approx(int(number) * units[unit.rstrip("s")], abs=1), name
