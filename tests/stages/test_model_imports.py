"""Models from elsewhere: whole ones get in, and nothing of those that are damaged, strange or of another format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lambda_samples as samples
import pytest
from sagemaker_container import packed
from versions import DAILY, publish, spoil

from capforecast.errors import CapforecastError, ConflictError, ModelError, NoUsableInputError, UsageError
from capforecast.forecast import pointers, registry
from capforecast.lake.store import Store
from capforecast.schema import Reference
from capforecast.settings import StorageSettings
from capforecast.stages.model_imports import Imported, import_models

HERE = StorageSettings()


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """What training left in /opt/ml/model: versions of two business units."""
    folder = tmp_path / "model"
    for unit in ("retail", "EU & West"):
        publish(Store(folder), business_unit=unit)
    (folder / "trained.json").write_text("{}")
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return Store(tmp_path / "lake")


def archived(folder: Path) -> str:
    file = folder.parent / "model.tar.gz"
    file.write_bytes(packed(folder))
    return str(file)


@pytest.mark.parametrize("place", [str, archived])
def test_all_versions_of_a_folder_or_an_archive_are_taken(
    trained: Path, lake: Store, place: Callable[[Path], str]
) -> None:
    made = import_models(lake, place(trained), HERE)
    assert [(one.content.business_unit, one.new) for one in made] == [("EU & West", True), ("retail", True)]
    for one in made:
        assert registry.check(lake, one.manifest) is None
        _, version = registry.load(lake, one.manifest)
        assert version == one.content.version
        assert pointers.versions(lake, DAILY, one.content.business_unit) == [one.manifest]
        assert pointers.current(lake, DAILY, one.content.business_unit) is None  # nobody's champion changes
    assert not lake.keys("trained.json")


def test_the_same_version_twice_is_fine_and_what_was_lost_is_mended(trained: Path, lake: Store) -> None:
    first = import_models(lake, str(trained), HERE)
    before = {key: lake.read(key) for key in lake.keys("models")}
    lake.delete(first[0].content.files["weights"].uri)
    again = import_models(lake, str(trained), HERE)
    assert [one.new for one in again] == [False, False]
    assert [one.manifest for one in again] == [one.manifest for one in first]
    assert {key: lake.read(key) for key in lake.keys("models")} == before


def test_the_reference_is_that_of_the_lake_it_was_trained_in(trained: Path, lake: Store, tmp_path: Path) -> None:
    there = publish(Store(tmp_path / "other"), business_unit="retail")
    made = import_models(lake, str(trained), HERE)
    assert made[1].manifest == there


def test_a_bucket_is_read_by_prefix_and_by_archive(trained: Path, lake: Store, bucket: str, s3_server: str) -> None:
    remote = Store(f"{bucket}/jobs/j/output", StorageSettings(endpoint=s3_server, region="us-east-1"))
    remote.put("model.tar.gz", packed(trained))
    options = StorageSettings(endpoint=s3_server, region="us-east-1")
    assert len(import_models(lake, remote.address("model.tar.gz"), options)) == 2
    for path in trained.rglob("*"):
        if path.is_file():
            remote.put(f"plain/{path.relative_to(trained).as_posix()}", path.read_bytes())
    assert [one.new for one in import_models(lake, remote.address("plain"), options)] == [False, False]
    with pytest.raises(CapforecastError, match=r"gone\.tar\.gz"):
        import_models(lake, remote.address("gone.tar.gz"), options)


def _changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = next((folder / "models").glob("*/business_unit=retail/*/manifest.json"))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def _other_format(content: dict[str, Any]) -> None:
    content["format"] = 99


def _elsewhere(content: dict[str, Any]) -> None:
    content["files"]["weights"]["uri"] = "raw/inventory/part-0.parquet"


def _upwards(content: dict[str, Any]) -> None:
    content["files"]["weights"]["uri"] = content["files"]["weights"]["uri"].replace("weights", "../../weights")


def _other_unit(content: dict[str, Any]) -> None:
    content["business_unit"] = "payments"


def _other_version(content: dict[str, Any]) -> None:
    content["version"] = "2027-01-01-000000000000"


def _no_calibration(content: dict[str, Any]) -> None:
    del content["files"]["calibration"]


def _no_evidence(content: dict[str, Any]) -> None:
    del content["files"]["backtest"]


def _other_tables(content: dict[str, Any]) -> None:
    content["files"]["calibration"] = content["files"]["backtest"]


def _other_cut_off(content: dict[str, Any]) -> None:
    content["as_of"] = "2027-01-01T00:00:00+00:00"


def _longer(content: dict[str, Any]) -> None:
    content["horizon"] += 1000


STRANGE = (
    _other_format, _elsewhere, _upwards, _other_unit, _other_version,
    _no_calibration, _no_evidence, _other_tables, _other_cut_off, _longer,
)  # fmt: skip


@pytest.mark.parametrize("change", STRANGE)
def test_a_strange_version_keeps_all_out(
    trained: Path,
    lake: Store,
    change: Callable[[dict[str, Any]], None],
) -> None:
    _changed(trained, change)
    with pytest.raises(CapforecastError, match="retail"):
        import_models(lake, archived(trained), HERE)
    assert lake.keys("") == []


def test_a_model_of_another_kind_is_taken_with_its_fall_back(lake: Store, tmp_path: Path) -> None:
    samples.train(Store(tmp_path / "elsewhere"), tmp_path, "seasonal-naive", ("web",))
    (made,) = import_models(lake, str(tmp_path / "elsewhere"), HERE)
    assert made.content.kind == "seasonal-naive"
    registry.load(lake, made.manifest, fall_back=True)


def test_a_changed_file_keeps_all_out(trained: Path, lake: Store) -> None:
    manifest = pointers.versions(Store(trained), DAILY, "retail")[0]
    spoil(Store(trained), manifest)
    with pytest.raises(ModelError, match=r"weights\.parquet was changed"):
        import_models(lake, archived(trained), HERE)
    assert lake.keys("") == []


def test_another_version_of_the_same_name_is_refused_and_changes_nothing(trained: Path, lake: Store) -> None:
    made = import_models(lake, str(trained), HERE)
    before = {key: lake.read(key) for key in lake.keys("models")}
    folder = trained.parent / "forged"
    publish(Store(folder), business_unit="alpha")  # a good one, first in line, that stays out as well
    _forge(Store(folder), lake, made[1])
    with pytest.raises(ConflictError, match="with other files"):
        import_models(lake, str(folder), HERE)
    assert {key: lake.read(key) for key in lake.keys("models")} == before


def _forge(target: Store, lake: Store, made: Imported) -> None:
    """A version of a known name, whole in itself, with other weights."""
    content = json.loads(lake.read(made.manifest.uri))
    for name, file in content["files"].items():
        data = lake.read(file["uri"])
        if name == "backtest":
            scratch = Store(target.folder / "scratch")  # type: ignore[operator]
            good = publish(scratch, error=0.5, business_unit="retail")
            data = scratch.read(registry.evidence(scratch, good).uri)
            for key in scratch.keys(""):
                scratch.delete(key)
        kept = target.put(file["uri"], data)
        file.update(sha256=kept.sha256, bytes=len(data))
    target.put(made.manifest.uri, json.dumps(content).encode())


def test_places_without_models_are_said(tmp_path: Path, lake: Store) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoUsableInputError, match="holds no model"):
        import_models(lake, str(tmp_path / "empty"), HERE)
    with pytest.raises(UsageError, match="neither a folder nor"):
        import_models(lake, str(tmp_path / "missing"), HERE)
    with pytest.raises(UsageError, match="there is no file"):
        import_models(lake, str(tmp_path / "missing.tar.gz"), HERE)


def test_an_intact_version_has_an_intact_reference(trained: Path) -> None:
    """The samples above are whole before they are spoilt."""
    manifest: Reference = pointers.versions(Store(trained), DAILY, "retail")[0]
    assert registry.check(Store(trained), manifest) is None
