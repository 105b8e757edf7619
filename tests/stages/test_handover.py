"""Units and models as a partial lake: what is copied, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from capforecast.errors import ConflictError, InputError, ModelError, NoUsableInputError, StaleReferenceError
from capforecast.exchange import Unit
from capforecast.forecast.manifest import File, Manifest
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference
from capforecast.stages.handover import hand_over, hand_over_model, handed, made_by_nobody, unit_file

AS_OF = "2026-04-11T00:00:00+00:00"
FOLDER = "models/cadence=daily/business_unit=a%2Fb/2026-04-11-0123456789ab"


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


@pytest.fixture
def out(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


def a_unit(lake: Store, name: str = "a/b", as_of: str = AS_OF, cadence: Cadence = Cadence.DAILY) -> Unit:
    unit = Unit(
        cadence=cadence, as_of=as_of, business_unit=name, servers=1, series=1, usable=1, horizon=7, references={}
    )
    return unit.having(
        processed=lake.put(unit.key("processed"), b"values", rows=3), quality=lake.put(unit.key("quality"), b"verdicts")
    )


def a_version(lake: Store, files: dict[str, str] | None = None, data: bytes = b"x") -> Reference:
    """A manifest and its files; `files`: keys in place of those in its own folder."""
    places = files or {"errors": f"{FOLDER}/errors.parquet"}
    kept = {name: File(**lake.put(uri, data).model_dump()) for name, uri in places.items()}
    made = Manifest(
        format=5, version=FOLDER.rpartition("/")[2], business_unit="a/b", kind="fleet", cadence=Cadence.DAILY,
        as_of=AS_OF, horizon=7, recipe={}, config="", inputs={}, files=kept,
    )  # fmt: skip
    return lake.put(f"{FOLDER}/manifest.json", to_json(made.model_dump(mode="json")), rows=1)


def test_a_unit_arrives_with_what_it_refers_to_and_nothing_else(lake: Store, out: Store) -> None:
    unit = a_unit(lake)
    lake.put("processed/other.parquet", b"no part of it")
    hand_over(lake, out, unit.only(["processed"]))
    assert out.keys("") == [unit.key("processed"), "units/a%2Fb.json"]
    (found,) = handed(out)
    assert (found.root, found.key) == ("", "units/a%2Fb.json")
    assert found.unit == unit.only(["processed"])
    assert out.fetch(found.unit.references["processed"]) == b"values"


def test_a_unit_of_one_instance_is_handed_on_from_its_folder(tmp_path: Path, lake: Store, out: Store) -> None:
    hand_over(lake, Store(tmp_path / "out/algo-2"), a_unit(lake))
    (found,) = handed(out)
    assert found.root == "algo-2/"
    further = Store(tmp_path / "further")
    hand_over(out, further, found.unit, root=found.root)
    assert handed(further)[0].unit == found.unit
    assert all(further.holds(reference) for reference in found.unit.references.values())


def test_a_unit_can_be_named_in_the_lake_it_lies_in_by_period(lake: Store) -> None:
    unit = a_unit(lake)
    before = lake.keys("")
    made = hand_over(lake, lake, unit, period="0f3a")
    assert made.uri == unit_file("a/b", "0f3a") == "units/0f3a/a%2Fb.json"
    assert lake.keys("") == sorted([*before, made.uri])
    assert handed(lake)[0].unit == unit


def test_what_instances_left_below_a_prefix_of_a_bucket_is_found(lake: Store, bucket: str) -> None:
    for host, name in (("algo-1", "a/b"), ("algo-2", "ops")):
        hand_over(lake, Store(f"{bucket}/{host}"), a_unit(lake, name))
    found = handed(Store(bucket))
    assert [(each.root, each.unit.business_unit) for each in found] == [("algo-1/", "a/b"), ("algo-2/", "ops")]
    hand_over(lake, Store(f"{bucket}/algo-3"), a_unit(lake, "ops"))
    with pytest.raises(InputError, match=r"'ops' stands twice: s3://.*/algo-2/units/ops\.json "):
        handed(Store(bucket))


def test_what_has_changed_meanwhile_is_not_handed_over(lake: Store, out: Store) -> None:
    unit = a_unit(lake)
    lake.put(unit.key("quality"), b"other verdicts")
    with pytest.raises(StaleReferenceError):
        hand_over(lake, out, unit)
    assert "units/a%2Fb.json" not in out.keys("")


@pytest.mark.parametrize("place", ["out/algo-2", "out"])
def test_a_unit_that_stands_twice_is_refused_with_both_places(tmp_path: Path, lake: Store, place: str) -> None:
    hand_over(lake, Store(tmp_path / "out/algo-1"), a_unit(lake))
    hand_over(lake, Store(tmp_path / place), a_unit(lake, as_of="2026-04-10T00:00:00+00:00"))
    with pytest.raises(InputError, match="'a/b' stands twice") as raised:
        handed(Store(tmp_path / "out"))
    assert "algo-1/units/a%2Fb.json (as of 2026-04-11" in str(raised.value)
    assert f"{place}/units/a%2Fb.json (as of 2026-04-10" in str(raised.value)


def test_units_are_found_by_name_and_records_of_runs_are_none(lake: Store, out: Store) -> None:
    for name in ("b", "a", "Zürich"):
        hand_over(lake, out, a_unit(lake, name))
    out.put("runs/1/attempt=1/units/c.json", b"{}")
    assert [each.unit.business_unit for each in handed(out)] == ["Zürich", "a", "b"]


def test_an_empty_folder_and_a_damaged_file_are_named(out: Store) -> None:
    with pytest.raises(NoUsableInputError, match="holds no business unit"):
        handed(out)
    out.put("units/a.json", b'{"cadence": "daily"}')
    with pytest.raises(InputError, match=r"units/a\.json is no business unit of this version \(as_of: Field required"):
        handed(out)


def test_units_that_no_instance_made(out: Store) -> None:
    for host, made, left in (("algo-1", ["a"], ["b", "silent"]), ("algo-2", ["b"], ["a", "silent"])):
        out.put(f"{host}/shard.json", json.dumps({"business_units": made, "left": left}).encode())
    assert made_by_nobody(out) == ["silent"]


def test_a_model_arrives_whole_and_a_second_time_changes_nothing(lake: Store, out: Store) -> None:
    version = a_version(lake)
    assert hand_over_model(lake, out, version) == version
    assert out.keys("") == lake.keys("")
    out.put(f"{FOLDER}/errors.parquet", b"spoilt since")
    assert hand_over_model(lake, out, version) == version
    assert out.read(f"{FOLDER}/errors.parquet") == b"x"


def test_a_version_that_is_there_with_other_files_stays_as_it_is(lake: Store, out: Store) -> None:
    mine = a_version(out, data=b"mine")
    with pytest.raises(ConflictError, match="with other files"):
        hand_over_model(lake, out, a_version(lake))
    assert out.holds(mine)
    assert out.read(f"{FOLDER}/errors.parquet") == b"mine"


def test_a_damaged_model_leaves_no_manifest(lake: Store, out: Store) -> None:
    version = a_version(lake)
    lake.put(f"{FOLDER}/errors.parquet", b"cut short")
    with pytest.raises(StaleReferenceError):
        hand_over_model(lake, out, version)
    assert f"{FOLDER}/manifest.json" not in out.keys("")


@pytest.mark.parametrize(
    "elsewhere", ["models/cadence=daily/business_unit=a%2Fb/champion/1.json", f"{FOLDER}/deeper/errors.parquet"]
)
def test_a_model_overwrites_nothing_outside_its_own_folder(lake: Store, out: Store, elsewhere: str) -> None:
    version = a_version(lake, {"errors": f"{FOLDER}/errors.parquet", "more": elsewhere})
    with pytest.raises(ModelError, match="not of its own folder"):
        hand_over_model(lake, out, version)
    assert out.keys("") == []


def test_a_manifest_of_another_unit_is_refused_under_this_key(lake: Store, out: Store) -> None:
    moved = FOLDER.replace("a%2Fb", "ops")
    version = lake.put(f"{moved}/manifest.json", lake.read(a_version(lake).uri))
    with pytest.raises(ModelError, match="tampered"):
        hand_over_model(lake, out, version)
