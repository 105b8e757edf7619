"""Every page, as a visitor sees it (Streamlit's AppTest): what it shows is what the run says."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import dashboard_lake
import pandas as pd
import pyarrow as pa
import pytest
from app_tests import app_path, calc_hash, sound, texts, visit
from streamlit.testing.v1 import AppTest

from capforecast.actions import decisions
from capforecast.actions.scenario import Scenario
from capforecast.dashboard import advice, figures, fleet, here, what_if
from capforecast.dashboard.app import PAGES
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.errors import LakeError
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import to_parquet
from capforecast.lake.store import Store
from capforecast.report import answer

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_draws(served: Lake, path: str) -> None:
    app = visit(path)
    assert [each.value for each in app.title] == [PAGES[path][0]]
    assert not app.error


def test_the_overview_says_what_the_summary_says(opened: OpenRun) -> None:
    app = visit()
    assert in_markdown(answer.headline(opened.summary)) in texts(app)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {tier: f"{count:,}" for tier, count in opened.summary.tiers.model_dump().items()}
    matrix = app.dataframe[0].value
    assert int(matrix.to_numpy().sum()) == opened.summary.servers
    assert in_markdown(opened.summary.changes.sentence) in texts(app)


def test_rows_of_the_matrix_can_be_regions(opened: OpenRun) -> None:
    app = visit()
    app.segmented_control(key="matrix_by").set_value("region").run()
    sound(app)
    assert set(app.dataframe[0].value.index) == {str(cell.region) for cell in opened.summary.by_region}


def test_another_run_can_be_chosen_and_linked_to(served: Lake) -> None:
    earlier = served.runs()[1]
    app = visit(run=earlier.name)
    assert app.selectbox(key="run").value == earlier.name
    assert in_markdown(answer.headline(served.open(earlier).summary)) in texts(app)
    newest = app.selectbox(key="run").set_value(served.runs()[0].name).run()
    assert in_markdown(answer.headline(served.open(served.runs()[0]).summary)) in texts(newest)


def test_runs_stand_side_by_side(served: Lake) -> None:
    app = visit()
    side = app.dataframe[len(app.dataframe) - 1].value
    assert list(side["critical"]) == [served.open(run).summary.tiers.critical for run in served.runs()]


def test_servers_are_searched_and_filtered(opened: OpenRun) -> None:
    table = fleet.servers(opened)
    app = visit("servers")
    assert len(app.dataframe[0].value) == len(table) == opened.summary.servers
    app.multiselect(key="f_tier").set_value(["critical", "high"]).run()
    wanted = opened.summary.tiers.critical + opened.summary.tiers.high
    assert len(app.dataframe[0].value) == wanted
    assert f"**{wanted}** of {len(table)} servers" in texts(app)
    app.multiselect(key="f_tier").set_value([]).run()
    app.text_input(key="q").set_value("retail-WEB").run()
    names = list(app.dataframe[0].value["server_id"])
    assert names
    assert all("retail-web" in name for name in names)
    app.text_input(key="q").set_value("no such server").run()
    assert "No server fits" in texts(app)
    sound(app)


def test_filters_come_with_the_link(served: Lake) -> None:
    app = visit("servers", f_tier="critical", q="web")
    assert app.multiselect(key="f_tier").value == ["critical"]
    assert all("web" in name for name in app.dataframe[0].value["server_id"])


def test_a_server_shows_all_its_metrics_and_what_earlier_runs_said(served: Lake, opened: OpenRun) -> None:
    table = fleet.servers(opened)
    server = str(table.loc[table["tier"] == "critical", "server_id"].iloc[0])
    app = visit("server", server=server)
    assert in_markdown(server) in texts(app)
    metrics = app.dataframe[0].value
    assert len(metrics) == 5
    assert "above" in texts(app) or "chance" in texts(app)
    app.multiselect(key="earlier").set_value([served.runs()[1].name]).run()
    sound(app)
    assert "have come since" in texts(app)
    app.segmented_control(key=f"metric_{server}").set_value("disk").run()
    sound(app)
    assert in_markdown("disk p95") in texts(app)


def test_a_server_that_is_not_there_is_said_with_those_like_it(opened: OpenRun) -> None:
    name = str(fleet.servers(opened)["server_id"].iloc[0])
    app = visit("server", server=name[:-1])
    assert "knows no server called" in texts(app)
    assert "Choose another run" in texts(app)


def test_an_unknown_server_says_why_and_what_to_do(opened: OpenRun) -> None:
    table = fleet.servers(opened)
    app = visit("server", server=str(table.loc[table["tier"] == "unknown", "server_id"].iloc[0]))
    assert any(word in texts(app) for word in ("Repair", "Check", "Install", "Load", "Nothing to do"))


def test_finding_one_server_leads_to_it(opened: OpenRun) -> None:
    name = str(fleet.servers(opened)["server_id"].iloc[0])
    app = visit()
    app.text_input(key="find_text").set_value(name)
    app.button[0].click().run()
    sound(app)
    assert [each.value for each in app.title] == [in_markdown(name)]


@pytest.mark.parametrize("name", dashboard_lake.NASTY)
def test_names_from_data_are_shown_as_they_are(served: Lake, name: str) -> None:
    app = visit("server", server=name)
    assert [each.value for each in app.title] == [in_markdown(name)]
    assert not app.error
    assert all(not each.allow_html for each in app.markdown)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["../../etc/passwd", "<script>alert(1)</script>", "%00", "a" * 5000])
def test_links_with_anything_in_them_do_no_harm(served: Lake, path: str, query: str) -> None:
    app = visit(path, server=query, run=query, q=query, f_tier=query)
    assert not app.exception


def test_no_page_lets_html_through() -> None:
    folder = Path(here.__file__).parent
    for file in folder.rglob("*.py"):
        text = file.read_text()
        assert "unsafe_allow" not in text, file
        assert "st.html" not in text, file
        assert "components" not in text, file


def test_a_lake_without_a_run_says_how_to_make_one(tmp_path: Path) -> None:
    here.serve(here.Served(Lake(Store(tmp_path))))
    app = visit()
    assert "no finished run" in texts(app)
    assert "capforecast run" in texts(app).replace("\\", "")


def test_a_run_of_another_version_is_said_and_the_others_open(own_lake: Lake) -> None:
    newest, earlier = own_lake.runs()
    content = json.loads(own_lake.store.read(newest.key("inputs.json")))
    content["settings"] = {"no_such_section": 1}
    own_lake.store.put(newest.key("inputs.json"), json.dumps(content).encode())
    own_lake.look_again()
    assert "another version of capforecast" in texts(visit())
    assert not visit(run=earlier.name).error


def test_a_table_that_is_gone_fails_its_part_alone(own_lake: Lake) -> None:
    shutil.rmtree(Path(str(own_lake.store.folder)) / "scorecard")
    app = visit("warnings")
    assert "is not in the store" in texts(app)
    assert "Said against came" in texts(app)


HARM: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: bytes(255 - byte for byte in data),
    "another table": lambda data: to_parquet(pa.table({"x": [1]})),
}


def harmed(lake: Lake, dataset: str, how: str) -> None:
    for key in lake.store.keys(dataset):
        lake.store.put(key, HARM[how](lake.store.read(key)))


@pytest.mark.parametrize("how", HARM)
@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("overview", "servers"),
        ("servers", "servers"),
        ("server", "processed"),
        ("server", "forecasts"),
        ("warnings", "scorecard"),
        ("pools", "demand"),
        ("money", "actions"),
        ("what-if", "path_levels"),
        ("data", "quality"),
    ],
)
def test_a_damaged_table_is_named_with_the_way_out_and_other_pages_go_on(
    own_lake: Lake, opened: OpenRun, path: str, dataset: str, how: str
) -> None:
    table = fleet.servers(opened)
    server = str(table.loc[table["tier"] == "critical", "server_id"].iloc[0])
    here.serve(here.Served(own_lake))
    harmed(own_lake, dataset, how)
    app = visit(path, server=server) if path == "server" else visit(path)
    said = "\n".join(each.value for each in app.error).replace("\\", "")
    assert f"{dataset}/cadence=daily/as_of=2026-11-23" in said
    assert "run again" in said
    if how != "another table" and path != "what-if":
        assert "is damaged" in said
    assert not visit("runs").error


def test_servers_are_shown_without_advice_where_that_is_damaged(own_lake: Lake) -> None:
    harmed(own_lake, "actions", "cut short")
    app = visit("servers")
    assert not app.error
    assert "Segments, actions and money are missing here" in texts(app)
    assert "is damaged" in texts(app)
    table = app.dataframe[0].value
    assert len(table) == own_lake.open(own_lake.run(None)).summary.servers
    assert "action" not in table
    assert not visit().error


def test_a_run_that_replaces_tables_is_waited_for(own_lake: Lake) -> None:
    run = own_lake.run(None)
    with Claims(own_lake.store, "4711") as claims:
        claims.period(run.cadence, run.as_of)
        harmed(own_lake, "scorecard", "another table")
        said = texts(visit("warnings")).replace("\\", "")
        assert "A run as of 2026-11-23 is replacing its tables (run 4711, process" in said
        assert "wait until it has ended, then reload the page" in said
    assert "wait until" not in texts(visit("warnings"))


def test_what_nobody_foresaw_is_in_the_log_and_not_on_the_page(
    served: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*given: object) -> None:
        raise ZeroDivisionError("the password is hunter2")

    monkeypatch.setattr("capforecast.dashboard.views.data.quality.remarks", fails)
    logging.getLogger("capforecast").propagate = True
    app = AppTest.from_file(str(app_path()), default_timeout=60).run()
    app._page_hash = calc_hash("data")
    app.run()
    assert "could not be drawn" in texts(app)
    assert "hunter2" not in texts(app)
    assert "hunter2" in caplog.text


def test_advice_can_be_taken_along_and_no_cell_is_computed(served: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Callable[[], bytes]] = []
    monkeypatch.setattr("streamlit.download_button", lambda label, data, **_: taken.append(data))
    app = visit("money")
    shown = app.dataframe[0].value
    found = pd.read_csv(io.BytesIO(taken[0]()), encoding="utf-8-sig", keep_default_na=False)
    assert list(found.columns) == list(shown.columns)
    assert list(found["A month"].astype(str)) == ["" if pd.isna(v) else str(v) for v in shown["A month"]]
    assert dashboard_lake.FORMULA in set(shown["Server"])
    assert f"'{dashboard_lake.FORMULA}" in set(found["Server"])
    assert not found.drop(columns="A month").map(lambda text: str(text).startswith(fleet.FORMULA)).any(axis=None)


def test_prices_without_advice_are_not_called_unknown(opened: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened.summary.actions is not None
    assert opened.summary.actions.priced
    monkeypatch.setattr(figures, "savings_figure", lambda *given: None)
    said = texts(visit("money"))
    assert "nothing changes in cost" in said
    assert "No price is known" not in said


def test_a_link_to_a_run_that_is_gone_says_so(served: Lake) -> None:
    (newest, *_) = served.runs()
    app = visit(run="1999-01-04 daily")
    assert f"There is no run 1999-01-04 daily in this lake (any more). Shown is {newest.name}." in texts(app).replace(
        "\\", ""
    )
    assert "There is no run" not in texts(visit(run=newest.name))


def test_money_and_what_if_say_whose_cost_they_sum_up(opened: OpenRun) -> None:
    money = opened.summary.actions
    assert money is not None
    whole = next(row for row in money.savings if row.scope == "fleet" and row.kind == "all")
    assert f"Cost of the {whole.priced} server" in texts(visit("money")).replace("\\", "")
    total = what_if.outcome(opened, Scenario(name="as it is")).totals.iloc[0]
    wanted = f"Cost of all {total['priced']} of {total['servers']} servers with a price"
    assert wanted in texts(visit("what-if")).replace("\\", "")
    for page in ("money", "what-if"):
        said = texts(visit(page)).replace("\\", "")
        assert all(source in said for source in money.price_sources), page


def test_runs_link_to_prefect_where_its_address_is_known_and_say_so_where_not(served: Lake) -> None:
    app = visit("runs")
    links = app.dataframe[len(app.dataframe) - 1].value["Prefect"]
    assert all(str(link).startswith("http://prefect.example:4200/runs/flow-run/") for link in links)
    assert "--prefect-url" not in texts(app).replace("\\", "")
    here.serve(here.Served(served, prefect_url=""))
    app = visit("runs")
    assert "Prefect" not in app.dataframe[len(app.dataframe) - 1].value
    assert "capforecast dashboard --prefect-url" in texts(app).replace("\\", "")


def test_a_decision_is_recorded_with_name_and_reason(own_lake: Lake) -> None:
    app = visit("money")
    app.text_input(key="by").set_value("ann")
    app.text_input(key="note").set_value("change 4711")
    next(each for each in app.button if each.label == "Accept").click().run()
    assert "no row is selected" in texts(app)
    assert decisions.history(own_lake.store) == []


def test_a_reader_decides_nothing(served: Lake) -> None:
    here.serve(here.Served(served, read_only=True))
    app = visit("money")
    assert "read only" in texts(app)
    assert not [each for each in app.text_input if each.key == "by"]


def test_selected_rows_of_advice_are_never_those_of_another_table(own_lake: Lake) -> None:
    """Select, press; meanwhile somebody decided, and the table has other rows: nobody's advice is accepted for it."""
    app = visit("money")
    app.multiselect(key="advice_states").set_value(["proposed"]).run()
    first = list(app.dataframe[0].value["Server"])
    app.session_state[app.dataframe[0].key] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    assert f"**1 selected**: {in_markdown(first[0])}" in texts(app)
    book = advice.open_advice(own_lake.open(own_lake.run(None)))
    assert book is not None
    advice.decide(book, "rejected", [first[0]], "bob", "")
    app.text_input(key="by").set_value("ann")
    next(each for each in app.button if each.label == "Accept").click().run()
    sound(app)
    assert "no row is selected" in texts(app)
    assert [entry.record.by for entry in decisions.history(own_lake.store)] == ["bob"]


def test_a_lake_that_answers_no_more_leaves_what_was_read(made_lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    lake = Lake(Store(made_lake), clock=lambda: now[0])
    here.serve(here.Served(lake))
    known = [metric.value for metric in visit().metric]
    monkeypatch.setattr(lake.store, "listed", _refused)
    now[0] += 60
    app = visit()
    assert "Shown is what was read before: no answer" in texts(app).replace("\\", "")
    assert [metric.value for metric in app.metric] == known
    assert not app.error
    monkeypatch.undo()
    now[0] += 60
    assert "Shown is what was read before" not in texts(visit())
    here.stop()


def _refused(prefix: str) -> None:
    raise LakeError("no answer")
