"""What `capforecast doctor` looks at in AWS: only what the settings name, and nothing that costs."""

from __future__ import annotations

from typing import Any

from capforecast.errors import CapforecastError

Check = dict[str, Any]


def checks(settings: Any) -> list[Check]:
    """A check for each part of AWS that the settings name; none for a lake that is all there is."""
    made = []
    if settings.athena.workgroup or settings.athena.database:
        made.append(_athena(settings))
    if settings.sagemaker.train or settings.sagemaker.role or settings.sagemaker.image:
        made.append(_sagemaker(settings))
    return made


def _athena(settings: Any) -> Check:
    from capforecast.lake.athena_engine import AthenaEngine, athena_client

    try:
        found = AthenaEngine(athena_client(settings), settings).workgroup()
    except CapforecastError as error:
        return _check(
            "athena", False, str(error), "mend what is named; docs/queries.md, `Athena`, has settings and policy"
        )
    limit = f"at most {found.most_bytes / 2**30:g} GiB a query" if found.most_bytes else "no limit of bytes"
    ok = found.enabled
    state = "takes queries" if ok else "is switched off"
    return _check("athena", ok, f"workgroup {found.name} {state}, {limit}", "switch it on in Athena, or name another")


def _sagemaker(settings: Any) -> Check:
    """What can be said without a job: SageMaker has no look at a role or an image that costs nothing."""
    asked = settings.sagemaker
    missing = [f"sagemaker.{name}" for name in ("role", "image") if getattr(asked, name) is None]
    if missing:
        return _check("sagemaker", False, f"not set: {', '.join(missing)}", "docs/aws-compute.md, `SageMaker`")
    from capforecast.cloud.jobs import open_jobs

    try:
        open_jobs(asked, settings.storage)
    except CapforecastError as error:
        return _check("sagemaker", False, str(error), "set storage.region, or mend the profile")
    return _check("sagemaker", True, "role and image are set; only a job shows whether they will do")


def _check(name: str, ok: bool, found: str, fix: str = "") -> Check:
    return {"name": name, "ok": ok, "found": found, "fix": "" if ok else fix}
