"""`capforecast models`: the versions that are kept, who is champion, and what a person may do about it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from capforecast.configuration import Loaded, usable_store
from capforecast.errors import (
    CapforecastError,
    LakeError,
    MissingObjectError,
    ModelError,
    StaleReferenceError,
    UsageError,
)
from capforecast.forecast import curation, model_diff, pointers, registry, retention
from capforecast.forecast.manifest import EVERY, Manifest
from capforecast.forecast.pointers import Record, version_of
from capforecast.forecast.standing import stand
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference
from capforecast.stages.model_imports import decide_champion, import_models
from deployments.leaderboard import plain

Row = dict[str, Any]


@dataclass(frozen=True)
class Models:
    """The models of a lake, of one cadence and some business units."""

    store: Store
    cadence: Cadence
    business_units: list[str]
    named: bool  # by who asks; else all there are

    @staticmethod
    def open(loaded: Loaded, cadence: str, wanted: list[str] | None) -> Models:
        """Raises UsageError where there is no lake, or no model of a business unit that is asked for."""
        url = usable_store(loaded)
        if "://" not in url and not Path(url).expanduser().is_dir():
            raise UsageError(f"there is no lake at {url}; name it with --store")
        try:
            step = Cadence(cadence)
        except ValueError:
            raise UsageError(f"--cadence {cadence!r}: use daily or hourly") from None
        store = Store(url, loaded.settings.storage)
        known = pointers.business_units(store, step)
        unknown = sorted(set(wanted or []) - set(known))
        if unknown or not known:
            there = f"there are models of: {', '.join(known)}" if known else "train first: capforecast train"
            whose = f" of {', '.join(map(repr, unknown))}" if unknown else ""
            raise UsageError(f"no {step} models{whose} in {store.url}; {there}")
        return Models(store, step, sorted(set(wanted)) if wanted else known, bool(wanted))

    def one(self) -> str:
        """The one business unit that is meant; raises UsageError where there are several."""
        if len(self.business_units) > 1:
            raise UsageError(f"say which one with --business-unit; there are: {', '.join(self.business_units)}")
        return self.business_units[0]

    def each(self, every: bool) -> list[str]:
        """The business units to change: those named, or all where that is said."""
        return self.business_units if every or self.named else [self.one()]


def listed(models: Models) -> list[Row]:
    """A row per version, newest data first; what cannot be read is said."""
    rows = []
    for unit in models.business_units:
        newest = stand(models.store, models.cadence, unit, skip_broken=True).newest
        for manifest in reversed(pointers.versions(models.store, models.cadence, unit)):
            version = version_of(manifest)
            is_champion = newest is not None and newest.pointer.version == version
            mark = ("pinned" if newest and newest.pointer.pinned else "champion") if is_champion else ""
            row: Row = {"business_unit": unit, "version": version, "mark": mark}
            try:
                rows.append(row | _figures(registry.read_manifest(models.store, manifest)) | {"problem": ""})
            except ModelError as error:
                blank = dict.fromkeys(("kind", "as_of", "series", "relative_mae", "coverage_80", "mb"))
                rows.append(row | blank | {"problem": str(error)})
    return rows


def _figures(made: Manifest) -> Row:
    score = made.scores.get(EVERY)
    return {
        "kind": made.kind,
        "as_of": made.as_of[:10],
        "series": made.window.series if made.window else None,
        "relative_mae": score.relative_mae if score else None,
        "coverage_80": score.coverage_80 if score else None,
        "mb": None if made.bytes is None else round(made.bytes / 1e6, 2),
    }


def shown(models: Models, name: str) -> Row:
    """Everything a version's manifest says, and whether its files are as they were published."""
    unit = models.one()
    manifest = curation.resolve(models.store, models.cadence, unit, name)
    problem = registry.check(models.store, manifest)
    with _named(models, manifest):
        made = registry.read_manifest(models.store, manifest)
    return made.model_dump(mode="json") | {"bytes": made.bytes, "intact": problem is None, "problem": problem or ""}


@contextmanager
def _named(models: Models, manifest: Reference) -> Iterator[None]:
    """Say of a version whose files are gone or changed which one it is, and what to do: looking again mends nothing."""
    try:
        yield
    except (MissingObjectError, StaleReferenceError) as error:
        problem = registry.check(models.store, manifest) or str(error)
        raise ModelError(
            f"{version_of(manifest)} cannot be used ({problem}): train a new one, or `capforecast models rollback`"
        ) from None


def history(models: Models) -> list[Row]:
    """All pointer records, newest first; one that cannot be read says so as its action."""
    rows = []
    for unit in models.business_units:
        times = _times(models, unit)
        records, broken = pointers.readable(models.store, models.cadence, unit)
        said: dict[int, tuple[Any, ...]] = {
            number: ("", "cannot be read", None, str(error)) for number, error in broken.items()
        }
        for record in records:
            pointer = record.pointer
            said[record.number] = pointer.version, pointer.outcome or pointer.action, pointer.pinned, pointer.reason
        for number, told in sorted(said.items(), reverse=True):
            about = {"business_unit": unit, "number": number, "written": times.get(number, "")}
            rows.append(about | dict(zip(("version", "action", "pinned", "reason"), told, strict=True)))
    return rows


def _times(models: Models, unit: str) -> dict[int, str]:
    """When the store took each record in."""
    found = models.store.listed(f"{pointers.folder(models.cadence, unit)}/champion")
    return {
        int(Path(item.key).stem): f"{item.modified:%Y-%m-%d %H:%M}" for item in found if Path(item.key).stem.isdigit()
    }


def changed(models: Models, units: list[str], change: Callable[[str], tuple[Record, list[str]]]) -> list[Row]:
    """Change the champion of some business units; a row for each, with its `problem` where that failed.

    Raises the first error when all fail.
    """
    rows, errors = [], []
    for unit in units:
        before = stand(models.store, models.cadence, unit, skip_broken=True).newest
        old = before.pointer.version if before else ""
        try:
            record, notes = change(unit)
        except CapforecastError as error:
            errors.append(error)
            row = {"business_unit": unit, "before": old, "champion": old, "note": "", "undo": ""}
            rows.append(row | {"problem": str(error)})
            continue
        said = [*notes, *([] if record.pointer.pinned else ["the next training may replace it"])]
        undo = _undo(models, unit, old) if old not in ("", record.pointer.version) else ""
        note = "; ".join(["pinned until `capforecast models unpin`", *said] if record.pointer.pinned else said)
        row = {"business_unit": unit, "before": old, "champion": record.pointer.version, "note": note, "undo": undo}
        rows.append(row | {"problem": ""})
    if errors and len(errors) == len(rows):
        raise errors[0]
    return rows


def _undo(models: Models, unit: str, old: str) -> str:
    """The command that makes the champion of before champion again."""
    hourly = ["--cadence", "hourly"] if models.cadence is Cadence.HOURLY else []
    where = ["--store", str(models.store.folder or models.store.url)]
    return shlex.join(["capforecast", "models", "promote", old, "--business-unit", unit, *hourly, *where])


def compared(models: Models, a: str, b: str) -> Row:
    """What changed from one version to another, as plain data."""
    unit = models.one()
    sides = []
    for name in (a, b):
        manifest = curation.resolve(models.store, models.cadence, unit, name)
        with _named(models, manifest):
            sides.append(model_diff.read_version(models.store, manifest, models.cadence))
    found = model_diff.compare(*sides)
    return {
        "business_unit": unit,
        "before": found.before,
        "after": found.after,
        "changes": [vars(change) for change in found.changes],
        "metrics": plain(found.metrics),
        "added": plain(found.added),
        "gone": plain(found.gone),
        "series": plain(found.series.replace({np.nan: None})),
    }


def prunable(models: Models, keep: int) -> list[retention.Plan]:
    """What pruning would remove."""
    reports = retention.reports_of(models.store, models.cadence)
    now = datetime.now(UTC)
    return [retention.plan(models.store, models.cadence, unit, keep, reports, now) for unit in models.business_units]


def change_text(row: Row) -> str:
    """What a change of the champion came to, as lines for people."""
    if row["problem"]:
        return f"{row['business_unit']}: nothing changed: {row['problem']}"
    before = f", in place of {row['before']}" if row["before"] not in ("", row["champion"]) else ""
    lines = [f"{row['business_unit']}: {row['champion']} forecasts from now on{before}", f"  {row['note']}"]
    return "\n".join([*lines, *([f"  to undo: {row['undo']}"] if row["undo"] else [])])


def imported(loaded: Loaded, place: str, *, decide: bool = False) -> list[Row]:
    """Take the versions at a place into the lake; a row for each. decide: and who is champion, as training would."""
    store = Store(usable_store(loaded), loaded.settings.storage)
    rows = []
    for made in import_models(store, place, loaded.settings.storage):
        unit, cadence = made.content.business_unit, made.content.cadence
        why = decide_champion(store, loaded.settings, made).reason if decide else ""
        newest = stand(store, cadence, unit, skip_broken=True).newest
        rows.append(
            {"business_unit": unit, "cadence": str(cadence), "version": made.content.version}
            | _figures(made.content)
            | {"note": "new" if made.new else "was there", "champion": newest.pointer.version if newest else "none yet"}
            | ({"why": why} if decide else {})
        )
    return rows


def plan_rows(plans: list[retention.Plan]) -> list[Row]:
    """A row per version that goes."""
    return [
        {
            "business_unit": planned.business_unit, "version": version.version, "mb": round(version.size / 1e6, 2),
            "published": version.published, "reports": ", ".join(version.reports),
        }
        for planned in plans
        for version in planned.outgoing
    ]  # fmt: skip


def prune(models: Models, plans: list[retention.Plan]) -> list[Row]:
    """Remove what was planned; rows of what went. Raises LakeError naming what is left where the store refuses."""
    gone = []
    for planned in plans:
        try:
            removed = retention.prune(models.store, models.cadence, planned)
        except LakeError as error:
            raise LakeError(f"{planned.business_unit}: pruning stopped, {error}; prune again to go on") from error
        gone.append(retention.Plan(planned.business_unit, {}, removed))
    return plan_rows(gone)
