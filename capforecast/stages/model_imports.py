"""Models that were trained elsewhere, taken into the lake: a model.tar.gz of SageMaker, a folder, or a prefix."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from capforecast.errors import CapforecastError, ConflictError, ModelError, NoUsableInputError, UsageError
from capforecast.exchange import Result
from capforecast.forecast import pointers, promotion, registry
from capforecast.forecast.champions import Challenger
from capforecast.forecast.decision import Decision
from capforecast.forecast.manifest import Manifest
from capforecast.forecast.pointers import MANIFEST
from capforecast.lake.archives import MOST_BYTES, unpack
from capforecast.lake.datasets import as_of_segment, read_table
from capforecast.lake.store import Store
from capforecast.schema import METRIC, SERVER_ID, Reference
from capforecast.settings import Settings, StorageSettings
from capforecast.stages.handover import hand_over_model

log = logging.getLogger(__name__)
ENDINGS = (".tar.gz", ".tgz")
NEEDED = {"calibration", registry.EVIDENCE}  # of every kind of model
MOST_PACKED = 2 << 30  # bytes of an archive


class Imported(Result):
    """A version that was taken into the lake. `new`: it was not there before."""

    manifest: Reference
    content: Manifest
    new: bool


def import_models(store: Store, place: str, storage: StorageSettings) -> list[Imported]:
    """Take the versions at a place into the lake: files first, the manifest last. Nobody's champion changes.

    place: a .tar.gz or a folder, also at s3://.  All versions are looked through before the first is taken, so that one
    that is damaged, of another format or not what its name says keeps all out. The same version twice is fine. Raises
    InputError, ModelError, ConflictError or a LakeError naming file and reason.
    """
    with _opened(place, storage) as source:
        found = _manifests(source, place)
        for manifest in found:
            problem = (
                registry.check(source, manifest)
                or _strange(registry.read_manifest(source, manifest), manifest)
                or _unusable(source, manifest)
            )
            if problem is not None:
                raise ModelError(f"{place}: {manifest.uri} cannot be taken: {problem}")
            _refuse_other(source, store, manifest)
        return [_take(source, store, manifest) for manifest in found]


def decide_champion(store: Store, settings: Settings, made: Imported) -> Decision:
    """Decide between the champion and a version that was taken in, as training would on the series it knows."""
    content = made.content
    series = read_table(store, registry.evidence(store, made.manifest)).select([SERVER_ID, METRIC]).to_pandas()
    return promotion.settle(
        store, settings, content.cadence, content.business_unit, content.cut_off, made.manifest,
        series.drop_duplicates(ignore_index=True), content.horizon,
    )  # fmt: skip


def _strange(content: Manifest, manifest: Reference) -> str | None:
    """Why a version is not what its place says; None = it is."""
    folder = f"{pointers.folder(content.cadence, content.business_unit)}/{content.version}"
    if manifest.uri != f"{folder}/{MANIFEST}":
        return f"by its content it belongs to {folder}"
    elsewhere = [file.uri for file in content.files.values() if file.uri.rpartition("/")[0] != folder]
    return f"its file {elsewhere[0]} is not in its folder" if elsewhere else None


def _unusable(source: Store, manifest: Reference) -> str | None:
    """Why a version cannot forecast, whatever its hashes; None = its tables are a model, the one its manifest tells."""
    content = registry.read_manifest(source, manifest)
    if lacking := NEEDED - set(content.files):
        return f"it has no file `{min(lacking)}`"
    try:
        read_table(source, registry.evidence(source, manifest), [SERVER_ID, METRIC])
        model, _ = registry.load(source, manifest)
    except CapforecastError as error:
        return str(error)
    except Exception as error:  # tables of any content may come from elsewhere
        return f"its tables are no model ({type(error).__name__}: {error})"
    engine = model.engine if isinstance(model, Challenger) else model
    told = (content.horizon, content.cadence, content.version.startswith(f"{as_of_segment(content.cut_off)}-"))
    return None if told == (engine.horizon, model.cadence, True) else "horizon, cadence or cut-off are not the model's"


def _refuse_other(source: Store, store: Store, manifest: Reference) -> None:
    """Raise ConflictError where the lake has another version of this name."""
    known = store.reference(manifest.uri)
    if known is None or known.sha256 == manifest.sha256:
        return
    if registry.read_manifest(store, known).files != registry.read_manifest(source, manifest).files:
        raise ConflictError(f"{store.address(manifest.uri)} is there, with other files than this version has")


def _take(source: Store, store: Store, manifest: Reference) -> Imported:
    content = registry.read_manifest(source, manifest)
    new = store.reference(manifest.uri) is None
    manifest = manifest.model_copy(update={"rows": content.files["calibration"].rows})
    kept = hand_over_model(source, store, manifest)
    what = "taken into the lake" if new else "is in the lake already"
    log.info("%s: version %s %s", content.business_unit, content.version, what)
    return Imported(manifest=kept, content=content, new=new)


def _manifests(source: Store, place: str) -> list[Reference]:
    """References to the manifests of all versions at a place."""
    keys = [key for key in source.keys("models") if key.endswith(f"/{MANIFEST}") and key.count("/") == 4]
    if not keys:
        raise NoUsableInputError(
            f"{place} holds no model: expected models/cadence=<c>/business_unit=<bu>/<version>/{MANIFEST}, as training "
            "writes them"
        )
    found = (source.reference(key) for key in keys)
    return [reference for reference in found if reference is not None]


@contextmanager
def _opened(place: str, storage: StorageSettings) -> Iterator[Store]:
    """The place as a store."""
    if not place.endswith(ENDINGS):
        if "://" not in place and not Path(place).is_dir():
            raise UsageError(f"{place} is neither a folder nor a .tar.gz")
        yield Store(place, storage)
        return
    with tempfile.TemporaryDirectory(prefix="capforecast-model-") as scratch, _archive(place, storage) as packed:
        unpack(packed, Path(scratch), place, most_bytes=MOST_BYTES)
        yield Store(scratch)


@contextmanager
def _archive(place: str, storage: StorageSettings) -> Iterator[IO[bytes]]:
    """Bytes of an archive."""
    if "://" in place:
        folder, _, name = place.rpartition("/")
        parent = Store(folder, storage)
        _refuse_huge(place, parent.stat(name).size)
        yield io.BytesIO(parent.read(name))
        return
    file = Path(place)
    if not file.is_file():
        raise UsageError(f"there is no file {place}")
    _refuse_huge(place, file.stat().st_size)
    with file.open("rb") as opened:
        yield opened


def _refuse_huge(place: str, size: int) -> None:
    if size > MOST_PACKED:
        raise UsageError(f"{place} has {size} bytes; an archive of models has {MOST_PACKED} at most: give its folder")
