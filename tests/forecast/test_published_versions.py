"""What is published of a model: complete, once, and never read when it is not what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from versions import publish, spoil

import capforecast
from capforecast.errors import ConflictError, LakeError, ModelError, StaleReferenceError
from capforecast.forecast import pointers, registry
from capforecast.forecast.manifest import parse
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

FILES = ("weights", "effects", "errors", "calibration", "metadata", "backtest", "choice")


def test_the_manifest_says_what_the_version_is_and_how_good(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = registry.read_manifest(store, publish(store, error=(0.5, 0.8, 1.25)))
    assert (made.kind, made.business_unit, made.as_of, made.horizon) == ("fleet", "x", "2026-11-23T00:00:00+00:00", 30)
    assert set(made.recipe) == {"kind", "settings", "code"}
    assert set(made.files) == set(FILES)
    assert made.bytes == sum((tmp_path / file.uri).stat().st_size for file in made.files.values())
    assert made.scores["cpu"].series == 3
    assert made.scores["all"].relative_mae == pytest.approx((0.5 * 0.8 * 1.25) ** (1 / 3), rel=1e-5)
    assert made.scores["all"].coverage_80 == 0.8
    assert {"python", "numpy", "pyarrow"} <= set(made.libraries)


def test_publishing_the_same_version_again_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = publish(store)
    key, content = first.uri, json.loads(store.read(first.uri))
    store.put(key, json.dumps(content | {"git_commit": "of another checkout"}).encode())
    assert publish(store).sha256 != first.sha256, "whoever comes second takes the manifest that is there"
    assert json.loads(store.read(key))["git_commit"] == "of another checkout"


def test_a_version_that_is_there_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = publish(store).uri
    content = json.loads(store.read(key))
    content["files"]["weights"]["sha256"] = "0" * 64
    store.put(key, json.dumps(content).encode())
    with pytest.raises(ConflictError, match="other files"):
        publish(store)


def test_a_writer_that_dies_before_the_manifest_leaves_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)

    def dies(*_: object, **__: object) -> Reference:
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(Store, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(store)
    assert len(store.keys("models")) == len(FILES)
    assert pointers.versions(store, Cadence.DAILY, "x") == []
    assert pointers.business_units(store, Cadence.DAILY) == []
    assert registry.check(store, publish(store)) is None


def test_training_again_mends_a_version_that_was_spoilt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = publish(store)
    whole = store.read(first.uri)
    spoil(store, first, "weights.parquet")
    store.put(first.uri, whole[:100])
    again = publish(store)
    assert again == first
    assert store.read(first.uri) == whole
    assert registry.check(store, again) is None


def test_a_reference_is_the_same_from_whoever_gives_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = publish(store)
    assert [first] == [publish(store)] == pointers.versions(store, Cadence.DAILY, "x")


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_noticed(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    manifest = publish(store)
    assert registry.check(store, manifest) is None
    spoil(store, manifest, f"{name}.parquet")
    assert f"{name}.parquet" in (registry.check(store, manifest) or "")
    assert not registry.is_intact(store, manifest)
    if name not in (registry.EVIDENCE, registry.CHOICE):
        with pytest.raises(StaleReferenceError, match=name):
            registry.load(store, manifest)


def test_a_missing_file_and_a_manifest_cut_short_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = publish(store)
    store.delete(manifest.uri.replace("manifest.json", "errors.parquet"))
    assert "errors.parquet" in (registry.check(store, manifest) or "")
    with pytest.raises(LakeError, match="errors"):
        registry.load(store, manifest)
    whole = store.read(manifest.uri)
    for cut in (whole[:100], b"[]", b"{}", whole.replace(b'"horizon"', b'"horizen"')):
        with pytest.raises(ModelError, match=r"manifest\.json is damaged"):
            parse(cut, manifest.uri)


def test_a_format_of_the_future_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    manifest = publish(store)
    content = json.loads(store.read(manifest.uri)) | {"format": 99, "field_of_then": 1}
    newer = store.put(manifest.uri, json.dumps(content).encode())
    assert "format 99" in (registry.check(store, newer) or "")
    with pytest.raises(ModelError, match="format 99"):
        registry.load(store, newer)


def test_nothing_in_the_product_loads_a_pickle() -> None:
    """A pickle from a bucket is code from a bucket."""
    root = Path(capforecast.__file__).parents[1]
    sources = [
        path for part in ("capforecast", "tasks", "flows", "deployments") for path in (root / part).rglob("*.py")
    ]
    assert len(sources) > 100
    forbidden = ("import pickle", "cloudpickle", "joblib", "read_pickle", "allow_pickle", "dill")
    assert [(path.name, word) for path in sources for word in forbidden if word in path.read_text()] == []
