"""The processing job by the container's contract: instances as processes of their own, each with its objects."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sagemaker_samples import (
    AS_OF,
    SETTINGS,
    SHORT,
    UNITS,
    files_below,
    inventory,
    lay_out,
    passed_on,
    validated,
    write_objects,
)

from capforecast import stages
from capforecast.errors import InputError
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.stages.handover import handed, made_by_nobody
from deployments.sagemaker import processing, training

ROOT = Path(__file__).parents[1]
SHORTER = [f"--setting={key}={value}" for key, value in SHORT.items()]


def instance(root: Path, host: str, hosts: Sequence[str], units: Sequence[str], *, listed: bool = True) -> Path:
    """`/opt/ml` of one instance that was given these units' objects."""
    write_objects(root / "processing/input/observations", units)
    if listed:
        (root / "processing/input/inventory").mkdir(parents=True)
        inventory().to_csv(root / "processing/input/inventory/fleet.csv", index=False)
    (root / "config").mkdir(parents=True)
    config = {"current_host": host, "hosts": list(hosts)}
    (root / "config/resourceconfig.json").write_text(json.dumps(config))
    return root


def call(root: Path, *arguments: str) -> int:
    return processing.main([*SHORTER, *arguments], {"SAGEMAKER_BASE_DIR": str(root)})


def message(root: Path) -> str:
    return (root / "output/message").read_bytes()[:1024].decode()


def shard(root: Path, host: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "processing/output" / host / "shard.json").read_text())
    return content


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two instances that have run side by side: two units on the first, one on the second."""
    folder, hosts = tmp_path_factory.mktemp("two"), ("algo-1", "algo-2")
    roots = [
        instance(folder / "1", "algo-1", hosts, ["retail", "Zürich / EMEA"]),
        instance(folder / "2", "algo-2", hosts, ["ops"]),
    ]
    command = [sys.executable, "-m", "deployments.sagemaker.processing", "--as-of", AS_OF, *SHORTER]
    given = passed_on() | {"PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(command, cwd=root, env=given | {"SAGEMAKER_BASE_DIR": str(root)}, stdout=subprocess.PIPE)
        for root in roots
    ]
    said = [process.communicate()[0].decode() for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    return roots


@pytest.fixture
def merged(two: list[Path], tmp_path: Path) -> Path:
    """The output of both under one prefix, as SageMaker uploads it; no file of one may be one of the other's."""
    files = [files_below(root / "processing/output") for root in two]
    assert not set(files[0]) & set(files[1])
    for root in two:
        shutil.copytree(root / "processing/output", tmp_path / "prefix", dirs_exist_ok=True)
    return tmp_path / "prefix"


def test_each_instance_makes_the_units_of_its_objects_and_says_what_it_used(two: list[Path]) -> None:
    first, second = shard(two[0], "algo-1"), shard(two[1], "algo-2")
    assert (first["business_units"], first["left"]) == (["Zürich / EMEA", "retail"], ["ops", "silent"])
    assert (second["business_units"], second["left"]) == (["ops"], ["Zürich / EMEA", "retail", "silent"])
    assert [item["name"] for item in first["objects"]] == ["unit-0/part-0.parquet", "unit-1/part-1.parquet"]
    assert first["config"] == second["config"]
    assert message(two[0]).startswith("algo-1: 2 business units of 4 servers from 2 objects as of 2026-04-11T00:00")


def test_a_unit_comes_out_as_a_run_of_the_whole_fleet_has_it(merged: Path, tmp_path: Path) -> None:
    source, lake, out = tmp_path / "source", Store(tmp_path / "lake"), Store(merged)
    write_objects(source)
    inventory().to_csv(source / "inventory.csv", index=False)
    found = handed(out)
    assert [each.unit.business_unit for each in found] == ["Zürich / EMEA", "ops", "retail"]
    for each in found:
        whole = validated(lake, source, each.unit.business_unit)
        for name in ("processed", "quality", "inventory", "activity"):
            assert each.unit.references[name] == whole.references[name], name
        strange = stages.anomalies(lake, SETTINGS, whole)["anomalies"]
        assert each.unit.references["anomalies"] == strange
        own = Store(merged / each.root)
        features = read_frame(own, each.unit.references["features"])
        assert features["server_id"].tolist() == list(UNITS[each.unit.business_unit])
        assert features["cpu_level"].between(30, 50).all()
        assert all(own.holds(reference) for reference in each.unit.references.values())


def test_units_of_which_no_data_came_are_known(merged: Path) -> None:
    assert made_by_nobody(Store(merged)) == ["silent"]


def test_training_takes_the_output_of_all_instances_as_its_channel(merged: Path, tmp_path: Path) -> None:
    variables = lay_out(tmp_path / "ml", SHORT | {"business_unit": "ops"})
    shutil.copytree(merged, tmp_path / "ml/input/data/train", dirs_exist_ok=True)
    assert training.main([], variables) == 0
    source, lake = tmp_path / "source", Store(tmp_path / "lake")
    write_objects(source)
    unit = validated(lake, source, "ops").only(stages.NEEDS["train"])
    made = json.loads((tmp_path / "ml/model/trained.json").read_text())["business_units"]["ops"]
    assert made == stages.train(lake, SETTINGS, unit)["challenger"].model_dump(mode="json")


def test_a_unit_whose_objects_went_to_two_instances_is_refused(tmp_path: Path) -> None:
    for host, server in (("algo-1", "a"), ("algo-2", "b")):
        root = instance(tmp_path / host, host, ("algo-1", "algo-2"), ["retail"], listed=False)
        file = next((root / "processing/input").rglob("*.parquet"))
        rows = pd.read_parquet(file)
        rows[rows["server_id"] == server].to_parquet(file, index=False)
        assert call(root, "--as-of", AS_OF) == 0
        shutil.copytree(root / "processing/output", tmp_path / "prefix", dirs_exist_ok=True)
    with pytest.raises(InputError, match=r"'retail' stands twice: .*algo-1/units/retail.json .*algo-2/units/retail"):
        handed(Store(tmp_path / "prefix"))
    variables = lay_out(tmp_path / "ml", SHORT)
    shutil.copytree(tmp_path / "prefix", tmp_path / "ml/input/data/train", dirs_exist_ok=True)
    assert training.main([], variables) == 1
    assert "'retail' stands twice" in (tmp_path / "ml/output/failure").read_text()


def test_an_instance_without_objects_says_so_and_succeeds(tmp_path: Path) -> None:
    root = instance(tmp_path, "algo-3", ("algo-1", "algo-2", "algo-3"), [])
    assert call(root, "--as-of", AS_OF) == 0
    assert "no object of" in message(root)
    assert shard(root, "algo-3")["objects"] == []


def test_one_instance_alone_makes_silent_units_too_and_chooses_its_own_cut_off(tmp_path: Path) -> None:
    root = instance(tmp_path, "algo-1", ("algo-1",), list(UNITS))
    assert call(root) == 0
    assert shard(root, "algo-1")["business_units"] == ["Zürich / EMEA", "ops", "retail", "silent"]
    assert shard(root, "algo-1")["as_of"].startswith(AS_OF)


def test_only_units_asked_for_are_made(tmp_path: Path) -> None:
    root = instance(tmp_path, "algo-1", ("algo-1", "algo-2"), list(UNITS))
    assert call(root, "--as-of", AS_OF, "--business-unit", "ops", "--business-unit", "elsewhere") == 0
    assert shard(root, "algo-1")["business_units"] == ["ops"]
    assert shard(root, "algo-1")["left"] == ["elsewhere"]


@pytest.mark.parametrize(
    ("hosts", "arguments", "code", "said"),
    [
        (("algo-1", "algo-2"), [], 2, "UsageError: 2 instances need --as-of"),
        (("algo-1",), ["--as-of", "yesterday"], 2, "'yesterday' is no date"),
        (("algo-1",), ["--setting", "forecast.horizon_dayz=7"], 2, "--setting forecast.horizon_dayz"),
        (("algo-1",), ["--setting", "forecast.horizon_days"], 2, "write it as --setting <section>.<key>=<value>"),
        (("algo-1",), ["--business-unit", "retial"], 2, "no server belongs to business unit 'retial'"),
        (("algo-1",), ["--as_of", "2026-01-01"], 2, "unrecognized arguments: --as_of"),
        (("algo-1", "algo-2"), ["--as-of", "2025-06-01"], 3, "says anything before 2025-06-01"),
        (("algo-2",), [], 2, "current_host 'algo-1' is none of hosts"),
    ],
)
def test_mistakes_end_with_their_exit_code_and_message(
    tmp_path: Path, hosts: tuple[str, ...], arguments: list[str], code: int, said: str
) -> None:
    root = instance(tmp_path, "algo-1", hosts, ["retail"])
    assert call(root, *arguments) == code
    assert said in message(root)


def test_an_empty_input_of_the_only_instance_is_an_error(tmp_path: Path) -> None:
    root = instance(tmp_path, "algo-1", ("algo-1",), [])
    (root / "processing/input/observations").mkdir()
    assert call(root) == 3
    assert "holds no data file" in message(root)


def test_an_inventory_among_objects_that_are_dealt_out_is_refused(tmp_path: Path) -> None:
    root = instance(tmp_path, "algo-1", ("algo-1", "algo-2"), ["retail"])
    inventory().to_csv(root / "processing/input/observations/inventory.csv", index=False)
    assert call(root, "--as-of", AS_OF) == 2
    assert "would be seen by algo-1 only, of 2 instances" in message(root)


def test_a_crash_is_told_in_the_first_kilobyte_of_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ü" * 3000)

    monkeypatch.setattr(stages, "ingest", broken)
    root = instance(tmp_path, "algo-1", ("algo-1",), ["retail"])
    assert call(root) == 1
    assert message(root).startswith("ZeroDivisionError: üü")
    assert not message(root).endswith("\ufffd")


def test_the_failure_of_one_unit_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from capforecast.stages import preparation

    kept = preparation.prepare

    def broken(lake: Any, settings: Any, ingested: Any, name: str) -> Any:
        if name == "ops":
            raise ValueError("drill")
        return kept(lake, settings, ingested, name)

    monkeypatch.setattr(preparation, "prepare", broken)
    root = instance(tmp_path, "algo-1", ("algo-1",), ["ops", "retail"], listed=False)
    assert call(root) == 1
    assert "1 of 2 business units failed: ops: ValueError: drill" in message(root)
    assert shard(root, "algo-1")["business_units"] == ["retail"]
