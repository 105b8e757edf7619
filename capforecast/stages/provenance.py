"""What a report is made from, as hashes and versions: the key by which two reports are known to be the same."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from capforecast import __version__
from capforecast.configuration import config_hash
from capforecast.exchange import Ingested, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.forecast.pointers import version_of
from capforecast.report.summary_provenance import Provenance
from capforecast.schema import Reference
from capforecast.settings import Settings

SHORT = 12  # digits of a hash that a report names
READ = ("inventory", "processed", "quality", "model", "previous_servers", "previous_forecasts", "judged_servers",
        "judged_forecasts")  # of a unit: what its stages were given, not what they made  # fmt: skip
_OF_FLEET = ("inventory", "shapes", "prices")
_LIBRARIES = ("numpy", "pandas", "scipy", "numba", "scikit-learn", "pyarrow", "holidays", "matplotlib", "weasyprint",
              "xlsxwriter")  # fmt: skip


def provenance(
    ingested: Ingested,
    units: Sequence[Unit],
    settings: Settings,
    extras: Mapping[str, Reference],
    code: str = "",
    known: Mapping[str, str] | None = None,
) -> Provenance:
    """What the report of these units is made from; `extras`: tables of the fleet. The same in every order of units.

    code, known: hash of the sources and versions with which the tables were made, where those are not today's.
    """
    ordered = sorted(units, key=lambda unit: unit.business_unit)
    parts = {
        "inputs": _digest(_inputs(ingested, ordered, extras)),
        "settings": config_hash(settings, actions=True)[:SHORT],
        "code": (code or code_fingerprint())[:SHORT],
    }
    known = known or versions()
    known = {name: known[name] for name in sorted(known, key=lambda name: (name != "capforecast", name.lower()))}
    models = {unit.business_unit: unit.references["model"] for unit in ordered if "model" in unit.references}
    return Provenance(
        run_key=_digest([parts, known]),
        **parts,
        versions=known,
        models={name: version_of(reference) for name, reference in models.items()},
    )


@cache
def versions() -> dict[str, str]:
    """Versions of the program, of Python, and of the libraries that figures and pages come from."""
    found = {"capforecast": __version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # not all are needed for every format
            continue
    return found


def _inputs(ingested: Ingested, units: Sequence[Unit], extras: Mapping[str, Reference]) -> dict[str, object]:
    """Hashes of what was read, by name; and what was asked for."""
    fleet: dict[str, Reference | None] = {name: getattr(ingested, name) for name in _OF_FLEET}
    return {
        "as_of": ingested.as_of,
        "known_at": ingested.known_at,
        "cadence": ingested.cadence.value,
        "fleet": {name: reference.sha256 for name, reference in fleet.items() if reference is not None},
        # What people decided is in the lake under one name for all runs of a day; what it led to is this run's own.
        "decided": extras["actions"].sha256 if "actions" in extras else None,
        "units": {
            unit.business_unit: {n: unit.references[n].sha256 for n in READ if n in unit.references} for unit in units
        },
    }


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:SHORT]
