"""What of a finished run is worth an alert."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from evidence_samples import ORIGINS, by_origin_frame, reliability_frame, scorecard_frame
from report_samples import report_data, servers_frame

from capforecast import stages
from capforecast.errors import ConfigError, InputError
from capforecast.exchange import Published, Unit
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.summary_warnings import Scorecard
from capforecast.report.track_record import track_record
from capforecast.schema import Cadence
from capforecast.settings import AlertSettings, Settings
from capforecast.stages.alerts import MOST_NAMED, newly_critical, publish_alert, scorecard_low

WEEK = pd.Timestamp("2026-11-16", tz="UTC")


def servers(tiers: dict[str, str], unit: str = "retail", since: pd.Timestamp | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"server_id": list(tiers), "tier": list(tiers.values())}, dtype="str")
    frame = frame.assign(business_unit=unit, region="eu", criticality="gold", metric="cpu", probability_high=0.5)
    frame["reason"] = ""
    return frame if since is None else frame.assign(since=since)


def card(**changes: object) -> Scorecard:
    made = track_record(scorecard_frame(**changes), reliability_frame(), ORIGINS, 54, by_origin_frame())
    assert made is not None
    return made


def settings(**alerts: object) -> Settings:
    return Settings(alerts=AlertSettings.model_validate(alerts))


def test_only_servers_that_were_not_critical_before_count() -> None:
    then = servers({"a": "ok", "b": "critical", "c": "high", "d": "critical", "e": "unknown"}, since=WEEK)
    now = servers({"a": "critical", "b": "critical", "c": "critical", "d": "high", "e": "critical", "new": "critical"})
    found = newly_critical(then, now, 1)
    assert found is not None
    assert (found["servers"], sorted(found["worst"])) == (4, ["a", "c", "e", "new"])
    assert (found["business_units"], found["by_business_unit"]) == (["retail"], {"retail": 4})
    assert found["sentence"].startswith("4 servers newly critical: ")
    assert newly_critical(then, now, 5) is None
    json.dumps(found)


def test_a_first_run_has_nothing_to_compare_with() -> None:
    assert newly_critical(pd.DataFrame(), servers({"a": "critical"}), 1) is None


def test_many_servers_are_counted_and_the_first_named() -> None:
    names = [f"s{i:02d}" for i in range(25)]
    found = newly_critical(
        servers(dict.fromkeys(names, "ok"), since=WEEK), servers(dict.fromkeys(names, "critical")), 1
    )
    assert found is not None
    assert len(found["worst"]) == MOST_NAMED
    assert found["sentence"].endswith("and 15 more.")


def test_skill_below_its_floor_is_an_alert_with_what_stands_behind_it() -> None:
    found = scorecard_low(card(brier_skill=-0.12), settings())
    assert found is not None
    assert (found["horizon_days"], found["brier_skill"], found["floor"], found["events"]) == (90, -0.12, 0.0, 240)
    assert "Brier skill of -0.12, below the floor of 0 (240 breaches in 1,800 cases)" in found["sentence"]
    json.dumps(found)


@pytest.mark.parametrize(
    ("changes", "alerts"),
    [
        ({}, {}),  # good enough
        ({"brier_skill": 0.0}, {}),  # at the floor
        ({"brier_skill": -0.5, "events": 29}, {}),  # too few breaches to tell
        ({"brier_skill": -0.5}, {"scorecard_floor": None}),
    ],
)
def test_no_alert_where_skill_is_good_or_unknown_or_nobody_asks(changes: dict, alerts: dict) -> None:
    assert scorecard_low(card(**changes), settings(**alerts)) is None
    assert scorecard_low(None, settings()) is None


def test_the_floor_is_held_against_the_horizon_of_tier_high() -> None:
    risk = Settings().risk.model_copy(update={"tier_horizon_days": 60})
    found = scorecard_low(card(brier_skill=-0.1), settings().model_copy(update={"risk": risk}))
    assert found is not None
    assert found["horizon_days"] == 30


def test_a_run_is_judged_by_its_tables_and_its_summary(tmp_path: Path) -> None:
    store = Store(tmp_path)
    unit = Unit(
        cadence=Cadence.DAILY, as_of="2026-11-23T00:00:00+00:00", business_unit="retail", servers=2, series=2, usable=2,
        horizon=90, references={},
    )  # fmt: skip
    now = write_table(store, unit.key("servers"), servers({"a": "critical", "b": "ok"}))
    before = unit.model_copy(update={"as_of": "2026-11-16T00:00:00+00:00"}).key("servers")
    unit = unit.having(servers=now, previous_servers=write_table(store, before, servers({"a": "high", "b": "ok"})))
    summary = report_data(servers_frame(20)).summary.model_copy(update={"warnings": card(brier_skill=-0.2)})
    published = Published(
        complete=True, as_of=unit.as_of, cadence=Cadence.DAILY, tiers={},
        references={"summary": store.put("summary.json", summary.model_dump_json().encode())},
    )  # fmt: skip
    found = stages.alerts(store, Settings(), [unit], published)
    assert set(found) == {"new-critical", "scorecard-low"}
    assert found["new-critical"]["worst"] == ["a"]
    silent = settings(new_critical=0, scorecard_floor=None)
    assert stages.alerts(store, silent, [unit], published) == {}


def test_an_alert_without_topic_or_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"alerts\.sns_topic is not set"):
        publish_alert(Settings(), "{}")
    topic = settings(sns_topic="arn:aws:sns:eu-west-1:111122223333:alerts")
    for text in ("not json", "[]", '{"alert": "x"}'):
        with pytest.raises(InputError, match="an alert is JSON"):
            publish_alert(topic, text)
