"""One run's totals in JSON, workbook, printed report and Prefect artifacts: the same everywhere, and its tables'."""

from __future__ import annotations

import dataclasses
import io
import json
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from evidence_samples import (
    ORIGINS,
    anomalies_frame,
    demand_frame,
    pools_frame,
    reliability_frame,
    scorecard_frame,
    sums_frame,
)
from model_samples import champion_row, drift_rows, drift_series_frame
from test_pdf import native_libraries, pages_of
from test_summary import QUALITY, backtest_of, unit

from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.assemble import report_data
from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_html, render_pdf
from capforecast.schema import TIER_ORDER, Cadence, Reference
from capforecast.settings import ReportSettings, Settings

openpyxl = pytest.importorskip("openpyxl")
pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
AS_OF = pd.Timestamp("2026-01-05", tz="UTC")
MODELS = {"media": "fell_back", "retail": "promoted"}  # what was decided
ALARMS = {"media": ("input_level", "live_error"), "retail": ()}
UNITS = {"media": (0.05, 0.2, 0.7, 0.9), "retail": (0.0, 0.6, 0.12)}


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run's tables, their references, and what is reported of them."""

    store: Store
    tables: dict[str, dict[str, pd.DataFrame]]
    units: dict[str, dict[str, Reference]]
    extras: dict[str, Reference]
    data: ReportData


def tables_of(name: str) -> dict[str, pd.DataFrame]:
    made = unit(name, UNITS[name], extra=[f"{name}-ghost"], backtest=backtest_of(name, len(UNITS[name])))
    assert made.servers is not None
    assert made.risks is not None
    assert made.backtest is not None
    risks = made.risks.assign(unseen_peaks="", trend_per_month=1.5, trend_since=pd.Timestamp("2025-08-03"))
    risks.loc[1, "unseen_peaks"] = "year_end"
    pools = pools_frame(made.servers)
    # The last two origins are too recent for 90 days to have passed, at the one before nothing could be stated.
    origins = [ORIGINS[90][0] + pd.Timedelta(days=28 * i) for i in (2, 1, 0, -1, -2, -3, -4, -5, -6)]
    warnings = pd.DataFrame({"origin": pd.DatetimeIndex(origins, tz="UTC"), "p_90d": 0.6, "observed_days": 90})
    warnings["event_days"] = [30.0, 30.0, 30.0, 30.0, None, None, 120.0, 30.0, 30.0]
    warnings.loc[:1, "observed_days"] = 62
    warnings.loc[8, "p_90d"] = None
    return {
        "servers": made.servers.assign(capacity_remaining_units=3.25), "risks": risks,
        "previous_servers": before(made.servers),
        "backtests": made.backtest, "pools": pools,
        "demand": demand_frame(pools), "anomalies": anomalies_frame(made.servers, 5), "warnings": warnings,
        "champion": pd.DataFrame([champion_row(name, MODELS[name], series_known=90, series_not_trained=3)]),
        "drift": pd.DataFrame(drift_rows(name, ALARMS[name], before=name == "media")),
        **({"drift_series": drift_series_frame(name)} if ALARMS[name] else {}),
    }  # fmt: skip


def before(servers: pd.DataFrame) -> pd.DataFrame:
    """The same servers a week earlier: the first is worse now, the second was not there, one more is gone since."""
    earlier = servers.drop(index=servers.index[1])
    earlier.loc[earlier.index[0], "tier"] = "ok"
    gone = earlier.tail(1).assign(server_id=earlier["server_id"].iloc[0] + "-old", tier="critical")
    return pd.concat([earlier, gone], ignore_index=True)


def key_of(table: str, unit: str) -> str:
    """Where a table lies; that of the run before below its own cut-off."""
    return f"{table}/cadence=daily/as_of={'2025-12-29' if 'previous' in table else '2026-01-05'}/{unit}.parquet"


def assembled(store: Store, units: dict[str, dict[str, Reference]], extras: dict[str, Reference]) -> ReportData:
    return report_data(
        store, Settings(), cadence=Cadence.DAILY, as_of=AS_OF, units=units, problems={"payments": "disk full"},
        quality=QUALITY, extras=extras,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    store = Store(tmp_path_factory.mktemp("lake"))
    tables = {name: tables_of(name) for name in UNITS}
    units = {
        name: {table: write_table(store, key_of(table, name), frame) for table, frame in made.items()}
        for name, made in tables.items()
    }
    sums = sums_frame(pd.concat([made["pools"] for made in tables.values()], ignore_index=True))
    fleet = {
        "scorecard": scorecard_frame(), "reliability": reliability_frame(), "pools": sums, "demand": demand_frame(sums),
    }  # fmt: skip
    extras = {name: write_table(store, f"{name}/part-0.parquet", frame) for name, frame in fleet.items()}
    return Run(store, tables, units, extras, assembled(store, units, extras))


@pytest.fixture(scope="module")
def summary(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.data.summary.model_dump_json())
    return found


@pytest.fixture(scope="module")
def book(run: Run) -> Any:
    return openpyxl.load_workbook(io.BytesIO(render_workbook(run.data, ReportSettings())))


def rows(sheet: Any) -> list[dict[str, Any]]:
    lines = list(sheet.iter_rows(values_only=True))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.fixture(scope="module")
def artifacts(run: Run) -> dict[str, Any]:
    """What the task `show-report` puts into the Prefect UI."""
    from capforecast.exchange import Published
    from tasks import outputs

    text = run.data.summary.model_dump_json().encode()
    references = {name: run.store.put(f"reports/{name}", text) for name in ("summary", "pdf", "workbook")}
    made = Published(complete=False, as_of="2026-01-05", cadence=Cadence.DAILY, tiers={}, references=references)
    shown: dict[str, Any] = {}

    def keep(key: str, **content: Any) -> None:
        shown[key] = content.get("table", content.get("markdown", content.get("link")))

    job = SimpleNamespace(store=run.store, address=lambda reference: reference.uri)
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("table", "markdown", "link"):
            patch.setattr(outputs, f"create_{kind}_artifact", keep)
        outputs.show_report.fn(job, made.model_dump(mode="json"))
    return shown


def test_servers_by_tier_are_the_same_everywhere(
    run: Run, summary: dict[str, Any], book: Any, artifacts: dict[str, Any]
) -> None:
    servers = pd.concat([made["servers"] for made in run.tables.values()])
    truth = {tier: int((servers["tier"] == tier).sum()) for tier in TIER_ORDER}
    assert truth == {"critical": 0, "high": 3, "watch": 2, "ok": 2, "unknown": 2}
    assert summary["tiers"] == truth
    assert pd.Series([row["Tier"] for row in rows(book["Servers"])]).value_counts().to_dict() == {
        tier: number for tier, number in truth.items() if number
    }
    fleet = next(line for line in book["Summary"].iter_rows(values_only=True) if line[0] == "Fleet")
    assert dict(zip(TIER_ORDER, fleet[2:7], strict=True)) == truth
    by_unit = [row for row in artifacts["fleet-summary"] if row["status"] == "finished"]
    assert {tier: sum(row[tier] for row in by_unit) for tier in TIER_ORDER} == truth


def test_changes_are_counted_alike_everywhere(
    run: Run, summary: dict[str, Any], book: Any, artifacts: dict[str, Any]
) -> None:
    changes, listed = summary["changes"], rows(book["Changes"])
    now = pd.concat([made["servers"] for made in run.tables.values()])
    then = pd.concat([made["previous_servers"] for made in run.tables.values()])
    assert changes["tiers"] == summary["tiers"]
    assert sum(changes["tiers_before"].values()) == len(then)
    assert (changes["new"], changes["gone"]) == (
        len(set(now["server_id"]) - set(then["server_id"])), len(set(then["server_id"]) - set(now["server_id"])),
    )  # fmt: skip
    assert (changes["new"], changes["gone"], changes["gone_at_risk"]) == (2, 2, 2)
    assert sum(not row["Tier before"] for row in listed) == changes["new"]
    assert sum(not row["Tier now"] for row in listed) == changes["gone"]
    assert sum(row["Change"] == "newly at risk" for row in listed) == changes["newly_at_risk"]
    assert {row["Since"] for row in listed} == {pd.Timestamp("2025-12-29")}
    assert summary["definitions"]["changes"].startswith("Each server beside itself")
    assert sum(unit["newly_at_risk"] for unit in changes["units"]) == changes["newly_at_risk"]
    assert changes["sentence"] in artifacts["capacity-summary"]
    front = [str(line[0]) for line in book["Summary"].iter_rows(values_only=True)]
    said = f"Since 29\N{NO-BREAK SPACE}Dec\N{NO-BREAK SPACE}2025: {changes['sentence']}"
    assert f"Changes: {said}" in front
    assert said in render_html(run.data, ReportSettings())


def test_an_earlier_run_that_was_replaced_is_not_compared_with(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    stale = run.units["media"]["previous_servers"].model_copy(update={"sha256": "0" * 64})
    units = {"media": run.units["media"] | {"previous_servers": stale}, "retail": run.units["retail"]}
    changes = assembled(run.store, units, run.extras).summary.changes
    assert changes is not None
    assert (changes.not_compared, [unit.business_unit for unit in changes.units]) == (["media"], ["retail"])
    assert "has been replaced since" in caplog.text


def test_demand_of_pools_adds_up_to_the_same_everywhere(
    run: Run, summary: dict[str, Any], book: Any, artifacts: dict[str, Any]
) -> None:
    pools = pd.concat([made["pools"] for made in run.tables.values()])
    for resource, shown in (("vcpu", "CPU, vCPU"), ("memory_gib", "memory, GiB")):
        mine = pools[pools["resource"] == resource]
        here = [pool for pool in summary["pools"] if pool["resource"] == resource]
        there = [row for row in rows(book["Pools"]) if row["Resource"] == shown]
        assert sum(pool["servers"] for pool in here) == sum(row["Servers in pool"] for row in there) == 9
        for field, heading in (("demand_now", "Demand now"), ("usable", "Usable")):
            expected = pytest.approx(mine[field].sum(), rel=1e-5)
            assert sum(pool[field] for pool in here) == expected
            assert sum(row[heading] for row in there) == expected
    fleet = {row["Resource"]: row["Demand now"] for row in rows(book["Pool sums"])}
    cores = sum(row["Demand now"] for row in rows(book["Pools"]) if row["Resource"] == "CPU, vCPU")
    assert fleet["CPU, vCPU"] == pytest.approx(cores)
    shown_pools = artifacts["tightest-pools"]
    assert sum(row["demand_now"] for row in shown_pools) == pytest.approx(pools["demand_now"].sum(), rel=1e-5)
    demand = rows(book["Demand by date"])
    first_day = sum(row["Demand, median"] for row in demand if row["Date"] == pd.Timestamp("2026-01-05"))
    stored = pd.concat([made["demand"] for made in run.tables.values()])
    assert first_day == pytest.approx(stored.loc[stored["date"] == "2026-01-05", "demand_q50"].sum())


def test_warnings_and_events_are_counted_alike_everywhere(
    summary: dict[str, Any], book: Any, artifacts: dict[str, Any]
) -> None:
    ours = {score["horizon_days"]: score for score in summary["warnings"]["ours"]}
    sheet = {row["Breach within, days"]: row for row in rows(book["Scorecard"])
             if (row["Scope"], row["Rule"]) == ("fleet", "this report")}  # fmt: skip
    assert {days: (row["Cases"], row["Events"], row["Warnings"]) for days, row in sheet.items()} == {
        days: (score["cases"], score["events"], score["warned"]) for days, score in ours.items()
    }
    assert ours[90]["warned"] == ours[90]["came_true"] + ours[90]["false"] == 138
    assert summary["warnings"]["sentence"] in artifacts["capacity-summary"]
    assert "(19 May 2025 to 6 Oct 2025)" in summary["warnings"]["sentence"].replace("\N{NO-BREAK SPACE}", " ")
    recent = summary["warnings"]["last_quarter"]
    dates = (recent["origins"], recent["first_origin"], recent["last_origin"])
    assert dates == (4, "2025-07-14", "2025-10-06")
    assert (recent["cases"], recent["warned"], recent["came_true"], recent["missed"]) == (8, 8, 4, 0)
    assert len(rows(book["Anomalies"])) == sum(summary["anomalies"].values()) == 10


def test_figures_of_the_deciding_series_reach_servers_and_sentences(summary: dict[str, Any], book: Any) -> None:
    assert summary["peaks_unseen"] == 2
    worst = summary["top_risks"][0]
    assert worst["sentence"].endswith(
        "it has climbed 1.5 points a month since August; 3.2 vCPU to spare at the 90 % peak of the next 30 d"
    )
    row = next(row for row in rows(book["Servers"]) if row["Server"] == worst["server_id"])
    assert (row["Units left"], row["Trend a month"]) == (3.25, 1.5)
    assert row["Trend since"] == pd.Timestamp("2025-08-03")


def test_models_and_drift_are_the_same_everywhere(
    run: Run, summary: dict[str, Any], book: Any, artifacts: dict[str, Any]
) -> None:
    told = {model["business_unit"]: model["version"] for model in summary["model_versions"]}
    assert told == {name: made["champion"]["version"].iloc[0] for name, made in run.tables.items()}
    assert {row["Business unit"]: row["Version"] for row in rows(book["Models"])} == told
    stored = pd.concat([made["drift"] for made in run.tables.values()])
    assert sum(check["alarm"] for check in summary["drift"]) == stored["alarm"].sum() == 2
    checks = rows(book["Drift"])
    assert (len(checks), [row["Alarm"] for row in checks].count("yes")) == (len(stored), 2)
    assert sum(check["series_over"] for check in summary["drift"]) == stored["series_over"].sum()
    assert sum(row["Series over"] for row in checks) == stored["series_over"].sum()
    assert len(rows(book["Drift by series"])) == len(run.tables["media"]["drift_series"])
    shown = artifacts["capacity-summary"]
    notes = [model["sentence"] for model in summary["model_versions"] if model["action"] == "fell_back"]
    notes += [check["sentence"] for check in summary["drift"] if check["alarm"]]
    assert len(notes) == 3
    assert all(f"* {note}" in shown for note in notes)
    assert "new champion" not in shown
    front = next(line[0] for line in book["Summary"].iter_rows(values_only=True) if str(line[0]).startswith("Models:"))
    assert notes[0].split(":")[0] in front


def test_the_printed_report_shows_the_same_totals(run: Run, summary: dict[str, Any]) -> None:
    if not native_libraries():
        pytest.skip("native PDF libraries are missing: make system")
    text = " ".join(pages_of(render_pdf(run.data, ReportSettings())))
    tiers = summary["tiers"]
    assert f"{tiers['critical'] + tiers['high']} of 9 servers are at risk" in text
    assert " ".join(["Fleet", "9", *(str(tiers[tier]) for tier in TIER_ORDER)]) in text
    ours = summary["warnings"]["ours"][-1]
    assert f"Of {ours['warned']} warnings" in text
    assert f"{ours['events']} breaches in 1,800 cases" in text
    for resource, unit_sign in (("vcpu", "CPU, vCPU"), ("memory_gib", "memory, GiB")):
        now = sum(pool["demand_now"] for pool in summary["pools"] if pool["resource"] == resource)
        usable = sum(pool["usable"] for pool in summary["pools"] if pool["resource"] == resource)
        assert f"{unit_sign} 9 {usable:,.0f} {now:,.0f}" in text
    assert "Of 2 business units 1 forecasts with a model that this run trained and 1 forecasts with a fall-back" in text
    assert "2 of 7 checks are over the limit, in media." in text
    assert "forecast change, live error and tier change in retail: no earlier run to compare with." in text
    for model in summary["model_versions"]:
        assert f"{model['business_unit']} {model['version'][:19]}" in text


def test_a_run_without_any_of_it_is_reported_all_the_same(run: Run) -> None:
    needed = ("servers", "risks", "backtests")
    bare = {name: {table: references[table] for table in needed} for name, references in run.units.items()}
    data = assembled(run.store, bare, {})
    assert (data.summary.warnings, data.summary.pools, data.summary.anomalies) == (None, [], {})
    assert (data.summary.model_versions, data.summary.drift) == ([], [])
    html = render_html(data, ReportSettings())
    assert "No track record yet" in html
    assert "Models and drift" not in html
    assert "drifted" not in html
    assert data.summary.tiers == run.data.summary.tiers
