"""What a version's manifest says of how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from capforecast.errors import ModelError
from capforecast.forecast.pointers import version_of
from capforecast.lake.store import Store
from capforecast.schema import Reference


@dataclass(frozen=True)
class Facts:
    """A version: what it is, what it was made from and by, and its files. Empty where a manifest does not say.

    recipe: part -> hash or name (kind, settings, code): alike in all parts, versions differ by their data only.
    """

    manifest: Reference
    version: str
    business_unit: str
    kind: str
    as_of: pd.Timestamp
    horizon: int
    recipe: Mapping[str, str]
    inputs: Mapping[str, str]
    files: Mapping[str, Reference]
    libraries: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)  # further lines: git commit, training window, format ...


def read_facts(store: Store, manifest: Reference) -> Facts:
    """Read a manifest; raises ModelError, MissingObjectError or StaleReferenceError."""
    data = store.fetch(manifest)
    try:
        content = json.loads(data)
        notes = content["notes"]
        return Facts(
            manifest=manifest,
            version=version_of(manifest),
            business_unit=str(content["business_unit"]),
            kind=str(content["kind"]),
            as_of=pd.Timestamp(notes["as_of"]),
            horizon=int(notes["horizon"]),
            recipe={"kind": str(content["kind"]), "settings": str(notes["config"]), "code": str(notes["code"])},
            inputs={name: str(value) for name, value in notes["inputs"].items()},
            files={name: Reference.model_validate(reference) for name, reference in content["files"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(f"{manifest.uri} does not say how its model was made; train again") from None
