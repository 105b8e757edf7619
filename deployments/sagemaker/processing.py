"""Processing job of SageMaker: raw observations in, business units with panel, verdicts, anomalies and features out.

Each instance makes the units of the objects it was given (ShardedByS3Key: one object per unit) and writes them below a
folder of its own name, as SageMaker puts the output of all instances under one prefix. Each such folder is a partial
lake that training takes, with `shard.json`: what the instance was given and made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capforecast.errors import InputError, NoUsableInputError, UsageError
from deployments.sagemaker import container
from deployments.sagemaker.container import Cluster

if TYPE_CHECKING:
    from capforecast.configuration import Loaded
    from capforecast.exchange import Ingested, Unit
    from capforecast.lake.store import Store
    from capforecast.settings import Settings

Objects = dict[str, Path]  # by the name below the folder of observations


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Prepare the units of this instance's objects; returns 0, or the error's exit code. Both are told in `message`."""
    variables = os.environ if environment is None else environment
    root = container.root_of(variables)
    message = root / "output/message"
    return container.ended(lambda: _job(_options(root, arguments), root, variables), message, message)


def _options(root: Path, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = container.Arguments(prog="processing", allow_abbrev=False, description=__doc__)
    folder = root / "processing"
    add = parser.add_argument
    add("--input", type=Path, default=folder / "input", help="folder of observations, or of the next two")
    add("--observations", type=Path, help="this instance's objects; default: input/observations, or else input")
    add(
        "--inventory",
        type=Path,
        help="file, or folder of one file, the same on all instances; default: input/inventory",
    )
    add("--output", type=Path, default=folder / "output", help="where partial lakes go")
    add("--as-of", help="exclusive cut-off in UTC; needed with several instances, which must share it")
    add("--known-at", help="see only rows that had arrived by then, or by the cut-off (as_of)")
    add("--business-unit", action="append", default=[], help="only this unit; may be repeated")
    add("--profile", help="local or aws")
    add("--config", type=Path, help="settings file")
    add("--setting", action="append", default=[], metavar="KEY=VALUE", help="a setting; may be repeated")
    return parser.parse_args(arguments)


def _job(options: argparse.Namespace, root: Path, variables: Mapping[str, str]) -> str:
    from capforecast.lake.store import Store

    here = container.cluster_of(root / "config")
    if len(here.hosts) > 1 and not options.as_of:
        raise UsageError(
            f"{len(here.hosts)} instances need --as-of: each sees its own objects only, and would end at another time"
        )
    loaded = _loaded(options, variables)
    container.set_level(loaded.settings.log.level)
    observations, inventory = _places(options)
    objects = _objects(observations)
    _check_inventory(objects, here)
    container.check_writable(options.output / here.host)
    target = Store(options.output / here.host)
    if not objects and len(here.hosts) > 1:
        _write_shard(target, here, loaded.settings, objects, options.business_unit)
        return f"{here.host}: no object of {observations} fell to this instance; nothing to do"
    with tempfile.TemporaryDirectory(prefix="capforecast-") as scratch:
        return _prepared(Store(scratch), target, here, loaded.settings, options, (observations, inventory, objects))


def _loaded(options: argparse.Namespace, variables: Mapping[str, str]) -> Loaded:
    from capforecast import configuration

    pairs = [text.partition("=") for text in options.setting]
    wrong = next((name for name, sign, _ in pairs if not sign), None)
    if wrong is not None:
        raise UsageError(f"--setting {wrong}: write it as --setting <section>.<key>=<value>")
    given = {name.strip(): value for name, _, value in pairs}
    return configuration.load(options.profile, options.config, variables, given, overrides_are="--setting")


def _places(options: argparse.Namespace) -> tuple[Path, Path | None]:
    """Folder of observations, and file of the inventory. Raises InputError."""
    apart = options.input / "observations", options.input / "inventory"
    observations = options.observations or (apart[0] if any(path.is_dir() for path in apart) else options.input)
    inventory = options.inventory or (apart[1] if apart[1].is_dir() else None)
    if inventory is None or inventory.is_file():
        return observations, inventory
    files = sorted(path for path in inventory.rglob("*") if path.is_file() and not path.name.startswith("."))
    if len(files) != 1:
        raise InputError(f"{inventory} holds {len(files)} files: give the one file of the inventory")
    return observations, files[0]


def _objects(observations: Path) -> Objects:
    if observations.is_file():
        return {observations.name: observations}
    files = sorted(path for path in observations.rglob("*") if path.is_file() and path.name[0] not in "._")
    return {path.relative_to(observations).as_posix(): path for path in files}


def _check_inventory(objects: Objects, here: Cluster) -> None:
    """An inventory among objects that are dealt out reaches one instance: all others would not know the servers."""
    found = next((path for path in objects.values() if path.name.lower().split(".")[0] == "inventory"), None)
    if found is not None and len(here.hosts) > 1:
        raise UsageError(
            f"{found} would be seen by {here.host} only, of {len(here.hosts)} instances: give the inventory as an "
            "input of its own, replicated fully, at input/inventory"
        )


def _prepared(
    lake: Store, target: Store, here: Cluster, settings: Settings, options: argparse.Namespace,
    given: tuple[Path, Path | None, Objects],
) -> str:  # fmt: skip
    """All units of the shard, each handed over once it is whole."""
    from capforecast import stages
    from capforecast.stages.handover import hand_over
    from capforecast.stages.preparation import prepare

    observations, inventory, objects = given
    file = None if inventory is None else str(inventory)
    ingested = stages.ingest(lake, settings, str(observations), file, options.as_of, options.known_at)
    for reference in (ingested.quarantine, ingested.validation):
        target.put(reference.uri, lake.fetch(reference), rows=reference.rows)
    made: list[Unit] = []

    def work(name: str) -> None:
        unit = prepare(lake, settings, ingested, name)
        hand_over(lake, target, unit)
        made.append(unit)

    try:
        container.each_unit(_units(lake, ingested, here, options.business_unit), work)
    finally:
        _write_shard(target, here, settings, objects, options.business_unit, ingested, made)
    servers = sum(unit.servers for unit in made)
    names = ", ".join(unit.business_unit for unit in made)
    return (
        f"{here.host}: {len(made)} business units of {servers} servers from {len(objects)} objects as of "
        f"{ingested.as_of}, {ingested.rows_rejected} of {ingested.rows_read} rows set aside: {names}"
    )


def _units(lake: Store, ingested: Ingested, here: Cluster, wanted: list[str]) -> list[str]:
    """The units this instance makes: with others beside it, only those whose data it has."""
    from capforecast.stages.preparation import observed_units

    if len(here.hosts) == 1:
        return sorted(set(wanted)) or ingested.business_units
    seen = observed_units(lake, ingested)
    if not seen:
        raise NoUsableInputError(f"{here.host}: none of its objects says anything before {ingested.as_of}")
    return [name for name in seen if not wanted or name in wanted]


def _write_shard(
    target: Store, here: Cluster, settings: Settings, objects: Objects, wanted: list[str],
    ingested: Ingested | None = None, made: Sequence[Unit] = (),
) -> None:  # fmt: skip
    """What this instance was given and made, and which units asked for, or of the inventory, it left to others."""
    from capforecast.configuration import config_hash
    from capforecast.fingerprint import code_fingerprint
    from capforecast.lake.datasets import to_json
    from capforecast.stages.handover import SHARD

    names = [unit.business_unit for unit in made]
    every = wanted or ([] if ingested is None else ingested.business_units)
    content: dict[str, Any] = {
        "host": here.host,
        "hosts": list(here.hosts),
        "objects": [_object(name, path) for name, path in objects.items()],
        "business_units": names,
        "left": sorted(set(every) - set(names)),
        "config": config_hash(settings),
        "code": code_fingerprint(),
    }
    if ingested is not None:
        content |= ingested.model_dump(mode="json", include={"as_of", "cadence", "rows_read", "rows_rejected"})
    target.put(SHARD, to_json(content))


def _object(name: str, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return {"name": name, "bytes": file.tell(), "sha256": digest.hexdigest()}


if __name__ == "__main__":
    sys.exit(main())
