"""`capforecast doctor`: is everything there that a run needs, and if not, what to do."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.metadata
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from capforecast.errors import CapforecastError
from deployments import health_aws

NATIVE = {  # as in scripts/system_libraries.py, which runs before anything is installed
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libharfbuzz-subset.so.0": "libharfbuzz-subset0",
}


def check_all(load: Callable[[], Any]) -> list[dict[str, Any]]:
    """All checks, each with `name`, `ok`, `found` and `fix`."""
    checks = [_python(), _native(), _pdf(), _fastapi()]
    loaded = _settings(load, checks)
    if loaded is not None:
        checks += [_store(loaded), *_delivery(loaded), *health_aws.checks(loaded.settings)]
    checks.append(_prefect())
    return checks


def _check(name: str, ok: bool, found: str, fix: str = "") -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found, "fix": "" if ok else fix}


def _python() -> dict[str, Any]:
    return _check("python", sys.version_info >= (3, 11), sys.version.split()[0], "install Python 3.11 or newer")


def _native() -> dict[str, Any]:
    missing = []
    for library, package in NATIVE.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    fix = f"make system (or: sudo apt-get install -y --no-install-recommends {' '.join(NATIVE.values())})"
    return _check(
        "native libraries for the PDF", not missing, f"missing: {', '.join(missing)}" if missing else "found", fix
    )


def _pdf() -> dict[str, Any]:
    try:
        import weasyprint

        pages = len(weasyprint.HTML(string="<p>capforecast</p>").render().pages)
    except Exception as error:
        return _check("PDF", False, f"{type(error).__name__}: {error}".splitlines()[0], "make system")
    return _check("PDF", pages == 1, f"WeasyPrint {importlib.metadata.version('weasyprint')} renders", "make system")


def _fastapi() -> dict[str, Any]:
    version = importlib.metadata.version("fastapi")
    ok = tuple(int(part) for part in version.split(".")[:2]) < (0, 151)
    return _check("fastapi", ok, version, "prefect 3.8 cannot deploy with it: pip install -c requirements.lock -e .")


def _settings(load: Callable[[], Any], checks: list[dict[str, Any]]) -> Any:
    try:
        loaded = load()
    except CapforecastError as error:
        checks.append(_check("settings", False, str(error), "mend the key named above"))
        return None
    checks.append(_check("settings", True, f"{len(loaded.provenance)} keys"))
    return loaded


def _store(loaded: Any) -> dict[str, Any]:
    from capforecast.configuration import usable_store
    from capforecast.lake.store import Store

    try:
        url = usable_store(loaded)
        if "://" not in url and not Path(url).expanduser().exists():
            return _folder_to_be(Path(url).expanduser().absolute())
        Store(url, loaded.settings.storage).probe()
    except CapforecastError as error:
        fix = "mend what is named above; docs/runbook.md, `The lake in a bucket`, has settings and policy"
        bucket = loaded.settings.store.startswith("s3:")
        return _check("store", False, str(error), fix if bucket else "give a folder you may write: --store FOLDER")
    return _check("store", True, f"{url}: written, refused to overwrite, read back, listed, deleted")


def _delivery(loaded: Any) -> list[dict[str, Any]]:
    """Are the environment variables set that delivery names? Nothing is sent. No check where nobody is to be told."""
    from capforecast.configuration import secret

    asked = loaded.settings.delivery
    if asked.webhook_url_env is None and asked.smtp_host is None:
        return []
    try:
        for key in ("webhook_url_env", "smtp_user_env", "smtp_password_env"):
            secret(getattr(asked, key), f"delivery.{key}")
    except CapforecastError as error:
        return [_check("delivery", False, str(error), "set it where runs start")]
    ways = ["webhook"] if asked.webhook_url_env else []
    ways += [f"e-mail to {', '.join(asked.smtp_to)}"] if asked.smtp_host else []
    return [_check("delivery", True, " and ".join(ways))]


def _prefect() -> dict[str, Any]:
    address = os.environ.get("PREFECT_API_URL")
    version = importlib.metadata.version("prefect")
    if not address:
        return _check("prefect", True, f"{version}, embedded: each run starts a server of its own")
    import httpx

    try:
        answer = httpx.get(f"{address.rstrip('/')}/health", timeout=5)
        ok, found = answer.is_success, f"{version}, server at {address} answers {answer.status_code}"
    except httpx.HTTPError as error:
        ok, found = False, f"no answer from {address} ({type(error).__name__})"
    return _check("prefect", ok, found, "start it with `make ui`, or unset PREFECT_API_URL to run embedded")


def _folder_to_be(folder: Path) -> dict[str, Any]:
    """Could the lake's folder be made? Without making it."""
    parent = next(path for path in folder.parents if path.exists())
    ok = parent.is_dir() and os.access(parent, os.W_OK)
    found = f"{folder} will be made" if ok else f"{folder} cannot be made: {parent} is not a folder you may write"
    return _check("store", ok, found, "give a folder you may write: --store FOLDER")
