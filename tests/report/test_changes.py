"""What a report says has changed since the run before: who moved, that counts hold, and that nothing is made up."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.report.changes import CHANGED_COLUMNS, MOST_NAMED, ORDER, SINCE, changes_part, compared
from capforecast.report.summary_changes import Changes, TierChanges
from capforecast.schema import TIER_ORDER

WEEK = pd.Timestamp("2026-11-16", tz="UTC")


def servers(tiers, unit="retail", since=None, chance=0.5):
    """server -> tier, as a table of servers; `since` makes it one of an earlier run."""
    frame = pd.DataFrame({"server_id": list(tiers), "tier": list(tiers.values())}, dtype="str")
    frame = frame.assign(business_unit=unit, region="eu", criticality="gold", metric="cpu", probability_high=chance)
    frame["reason"] = frame["tier"].map(lambda tier: "stale" if tier == "unknown" else "")
    return frame if since is None else frame.assign(**{SINCE: since})


def part(before, now, units=("retail",)):
    return changes_part(compared(before, now), units)


def names(named):
    return [server.server_id for server in named]


THEN = {"a": "ok", "b": "critical", "c": "high", "d": "watch", "e": "ok", "f": "unknown", "g": "high", "h": "ok",
        "i": "unknown", "j": "critical"}  # fmt: skip
NOW = {"a": "critical", "b": "watch", "c": "critical", "d": "ok", "e": "watch", "f": "ok", "g": "unknown", "h": "ok",
       "i": "high", "k": "ok", "l": "high"}  # fmt: skip


def test_each_server_is_named_under_what_became_of_it():
    found = part(servers(THEN, since=WEEK), servers(NOW))
    assert isinstance(found, Changes)
    assert names(found.top_newly_at_risk) == ["a", "i", "l"]  # worse tier first; new and formerly unknown ones too
    assert names(found.top_no_longer_at_risk) == ["b"]
    assert names(found.top_worse) == ["c", "e"]
    assert names(found.top_better) == ["d"]
    assert names(found.top_newly_unknown) == ["g"]
    assert found.top_newly_unknown[0].reason == "stale"
    assert names(found.top_known_again) == ["f"]
    assert names(found.top_new) == ["k"]
    assert names(found.top_gone) == ["j"]
    assert (found.newly_at_risk, found.new_at_risk, found.new, found.gone_at_risk, found.lost_at_risk) == (
        3,
        1,
        2,
        1,
        1,
    )
    assert found.tiers_before.total == 10
    assert found.tiers.total == 11
    assert found.since == found.since_first == "2026-11-16T00:00:00+00:00"
    assert found.sentence == (
        "3 newly at risk (a, i and l), 1 no longer at risk (b), 2 in a worse tier (c and e), 1 in a better tier, "
        "1 can no longer be forecast (g), 1 can be forecast again, 2 new, 1 gone."
    )


def test_the_table_holds_the_same_servers_with_their_tiers_and_chances():
    table = compared(servers(THEN, since=WEEK, chance=0.2), servers(NOW, chance=0.9))
    assert tuple(table.columns) == CHANGED_COLUMNS
    changed = table[table["change"] != ""].set_index("server_id")
    assert len(changed) == 11
    assert [change for change in ORDER if change in set(changed["change"])] == list(dict.fromkeys(changed["change"]))
    assert changed.loc["a", ["tier_before", "tier", "probability_before", "probability"]].tolist() == [
        "ok", "critical", 0.2, 0.9,
    ]  # fmt: skip
    assert changed.loc["j", ["tier_before", "tier", "region"]].tolist() == ["critical", "", "eu"]
    assert changed.loc["k", "tier_before"] == ""
    assert (changed["since"] == WEEK).all()


def test_without_an_earlier_run_nothing_is_said():
    nothing = pd.DataFrame()
    assert part(nothing, servers(NOW)) is None
    assert part(servers(THEN, since=WEEK), nothing) is None
    assert part(servers(THEN, unit="payments", since=WEEK), servers({"x": "ok"})) is not None  # all of them are gone
    assert list(compared(nothing, servers(NOW)).columns) == list(CHANGED_COLUMNS)


def test_a_unit_without_an_earlier_run_is_left_out_and_named():
    now = pd.concat([servers({"a": "ok"}), servers({"p": "critical"}, unit="payments")])
    found = part(servers({"a": "ok"}, since=WEEK), now, ["payments", "retail"])
    assert (found.newly_at_risk, found.new, found.tiers.total) == (0, 0, 1)
    assert found.not_compared == ["payments"]
    assert found.sentence == "no tier changed (1 server compared). payments has no earlier run to compare with."


def test_a_server_that_moved_is_compared_with_itself_and_is_new_to_its_unit():
    before = pd.concat([servers({"a": "ok", "b": "ok"}, since=WEEK), servers({"c": "ok"}, "media", since=WEEK)])
    now = pd.concat([servers({"a": "ok"}), servers({"b": "high", "c": "ok"}, "media")])
    found = part(before, now, ["media", "retail"])
    assert (found.newly_at_risk, found.new, found.gone) == (1, 0, 0)
    media, retail = found.units
    assert (media.business_unit, media.new, media.new_at_risk, media.gone) == ("media", 1, 1, 0)
    assert (retail.business_unit, retail.new, retail.gone) == ("retail", 0, 1)
    assert media.tiers.total == 2
    assert retail.tiers.total == 1
    gone_to_a_new_unit = part(servers({"a": "ok"}, since=WEEK), servers({"a": "high"}, "fresh"), ["fresh"])
    assert (gone_to_a_new_unit.newly_at_risk, gone_to_a_new_unit.gone) == (1, 0)


def test_a_unit_that_missed_a_run_is_compared_with_the_one_it_has():
    earlier = WEEK - pd.Timedelta(days=7)
    before = pd.concat([servers({"a": "ok"}, since=WEEK), servers({"c": "ok"}, "media", since=earlier)])
    now = pd.concat([servers({"a": "ok"}), servers({"c": "high"}, "media")])
    found = part(before, now, ["media", "retail"])
    assert (found.since_first, found.since) == (earlier.isoformat(), WEEK.isoformat())
    assert [unit.since for unit in found.units] == [earlier.isoformat(), WEEK.isoformat()]


def test_a_server_that_moved_while_its_unit_missed_a_run_counts_once():
    earlier = servers({"moved": "ok", "stays": "ok"}, "old", since=WEEK - pd.Timedelta(days=7))
    before = pd.concat([servers({"moved": "high", "b": "ok"}, since=WEEK), earlier])
    now = pd.concat([servers({"moved": "high", "b": "ok"}), servers({"stays": "ok"}, "old")])
    found = part(before, now, ("old", "retail"))
    assert (found.tiers_before.total, found.tiers.total, found.newly_at_risk) == (3, 3, 0)


def test_ten_are_named_and_all_are_counted():
    many = {f"s{i:02d}": "ok" for i in range(30)}
    found = part(servers(many, since=WEEK), servers(dict.fromkeys(many, "high")))
    assert (found.newly_at_risk, len(found.top_newly_at_risk)) == (30, MOST_NAMED)
    assert found.sentence == "30 newly at risk (s00, s01, s02 and 27 more)."


TIERS = st.dictionaries(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["media", "retail"])).map("".join),
    st.sampled_from([tier.value for tier in TIER_ORDER]),
    min_size=1,
)


def fleet(tiers, since=None):
    units = [
        servers({name: tier for name, tier in tiers.items() if name.endswith(unit)}, unit, since)
        for unit in ("media", "retail")
    ]
    return pd.concat([unit for unit in units if len(unit)])


def holds(found: TierChanges) -> None:
    """Everybody at risk and every server is accounted for."""
    then, now = found.tiers_before, found.tiers
    assert now.critical + now.high == (
        then.critical + then.high + found.newly_at_risk - found.no_longer_at_risk - found.lost_at_risk
        - found.gone_at_risk
    )  # fmt: skip
    assert now.total == then.total + found.new - found.gone


@settings(max_examples=60, deadline=None)
@given(TIERS, TIERS)
def test_counts_reconcile_in_the_fleet_and_in_every_unit(then, now):
    table = compared(fleet(then, WEEK), fleet(now))
    found = changes_part(table, ["media", "retail"])
    if found is None:
        pytest.fail("a table with rows has changes")
    for each in (found, *found.units):
        holds(each)
    by_change = (found.newly_at_risk + found.no_longer_at_risk + found.worse + found.better + found.newly_unknown
                 + found.known_again + (found.new - found.new_at_risk) + found.gone)  # fmt: skip
    assert by_change == (table["change"] != "").sum()
    assert sum(unit.newly_at_risk for unit in found.units) == found.newly_at_risk


@settings(max_examples=20, deadline=None)
@given(TIERS, TIERS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(then, now, random):
    def mixed(frame):
        order = list(range(len(frame)))
        random.shuffle(order)
        return frame.iloc[order]

    straight = compared(fleet(then, WEEK), fleet(now))
    pd.testing.assert_frame_equal(straight, compared(mixed(fleet(then, WEEK)), mixed(fleet(now))))
