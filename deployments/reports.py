"""`capforecast report` and `deliver`: a finished run's report drawn anew, or sent again."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from capforecast import stages
from capforecast.actions import scenario_book
from capforecast.configuration import Loaded, usable_store
from capforecast.errors import MissingObjectError, StaleReferenceError, UsageError
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import report_key
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import ReportFormat, Settings
from capforecast.stages.outputs import INPUTS, NAMES, ReportInputs, folder_of, key_of

_MOST_NAMED = 4
FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)


@dataclass(frozen=True)
class Wanted:
    """Which report a command is about. business_units: none = that of the whole fleet.

    scenario: name or id of a saved what-if scenario that it shows; "" = none.
    """

    as_of: str
    cadence: str = "daily"
    business_units: tuple[str, ...] = ()
    scenario: str = ""

    @property
    def about(self) -> str:
        """It in words."""
        return f"as of {self.as_of}" + (f" on {', '.join(self.business_units)}" if self.business_units else "")


def formats_of(text: str | None, settings: Settings) -> tuple[ReportFormat, ...]:
    """Formats named in `--format`, or those of the settings; raises UsageError naming the known ones."""
    if text is None:
        return settings.report.formats
    names = [name.strip().lower() for name in text.split(",")]
    chosen = tuple(each for each in FORMATS if each in names)
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not chosen:
        raise UsageError(f"--format {text!r}: write one or more of {','.join(FORMATS)}, separated by commas")
    return chosen


def render_again(
    loaded: Loaded, wanted: Wanted, formats: tuple[ReportFormat, ...], output: Path | None
) -> dict[str, str]:
    """Draw a report anew from the tables it was made of; returns the files' addresses by format.

    In its place in the lake, or in the folder `output`. Title, paper and the like are those of today's settings.
    Raises UsageError for a scenario without a folder: what is published stays as the run made it.
    """
    if wanted.scenario and output is None:
        raise UsageError("--scenario needs --output: the published report stays as the run made it")
    store = lake(loaded)
    of_fleet: ReportInputs | None
    try:
        return _again(loaded, store, inputs_of(store, wanted), wanted, formats, output)
    except StaleReferenceError:  # of a unit's own report; the fleet's, of a later run, may hold its part
        if not wanted.business_units:
            raise
        try:
            of_fleet = inputs_of(store, wanted, own=False)
        except UsageError:
            of_fleet = None
        if of_fleet is None:
            raise
    return _again(loaded, store, of_fleet, wanted, formats, output)


def _again(
    loaded: Loaded, store: Store, inputs: ReportInputs, wanted: Wanted, formats: tuple[ReportFormat, ...],
    output: Path | None,
) -> dict[str, str]:  # fmt: skip
    used = _settings(inputs, wanted).model_copy(update={"report": loaded.settings.report})
    if output is not None:
        files = _rendered(store, used, inputs, wanted, formats)
        return _by_format(_written(output, files))
    with Claims(store, f"report-{uuid.uuid4().hex[:12]}") as claims:
        claims.period(inputs.ingested.cadence, inputs.ingested.cut_off)
        made = stages.publish(store, inputs, _rendered(store, used, inputs, wanted, formats))
    return _by_format([store.address(reference.uri) for reference in made.values()])


def send_again(loaded: Loaded, wanted: Wanted) -> list[dict[str, Any]]:
    """Send a published report to everybody named in the settings; a row for each way."""
    if not stages.delivers(loaded.settings.delivery):
        raise UsageError(
            "nobody is named to deliver to: set `delivery.webhook_url_env`, or `delivery.smtp_host` with `smtp_from` "
            "and `smtp_to` (capforecast config show says more)"
        )
    store = lake(loaded)
    inputs = inputs_of(store, wanted)
    found = {kind: store.reference(key_of(inputs, name)) for kind, name in NAMES.values()}
    references = {kind: reference for kind, reference in found.items() if reference is not None}
    if "summary" not in references:
        names = "".join(f" --business-unit {name}" for name in wanted.business_units)
        raise UsageError(
            f"the report {wanted.about} is not published; make its files with "
            f"`capforecast report --as-of {wanted.as_of}{names}`"
        )
    return stages.deliver(store, loaded.settings, references)


def _rendered(
    store: Store, settings: Settings, inputs: ReportInputs, wanted: Wanted, formats: tuple[ReportFormat, ...]
) -> dict[str, bytes]:
    shown = (scenario_book.read(store, wanted.scenario),) if wanted.scenario else ()
    try:
        return stages.render(store, settings, inputs, formats, *shown)
    except (StaleReferenceError, MissingObjectError) as error:
        raise StaleReferenceError(
            f"the report {wanted.about} cannot be made of its own tables any more: a later run of that day, with other "
            f"code, settings or business units, has replaced some, or they were deleted ({error}). Make it anew with "
            f"`capforecast run --as-of {wanted.as_of} ...`, as it was run; stages that are unchanged are reused"
        ) from None


def _written(folder: Path, files: dict[str, bytes]) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--output {folder} cannot be written ({reason}); give a folder you may write") from None
    return [str(folder / name) for name in files]


def lake(loaded: Loaded) -> Store:
    """The lake that is there already; raises UsageError where there is none."""
    url = usable_store(loaded)
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise UsageError(f"there is no lake at {url}; name it with --store")
    return Store(url, loaded.settings.storage)


def inputs_of(store: Store, wanted: Wanted, *, own: bool = True) -> ReportInputs:
    """What a report was made of: its own, or for one business unit without a report of its own, the fleet's.

    own: False = the fleet's even so.
    Raises UsageError that says which reports there are.
    """
    cadence, moment = _cadence(wanted.cadence), stages.parse_as_of(wanted.as_of)
    names = sorted(set(wanted.business_units))
    root = report_key(cadence, moment, "")
    there = set(store.keys(root.rstrip("/")))
    if own and names and (key := f"{root}{folder_of(names, [])}{INPUTS}") in there:
        return _read(store, key, wanted)
    if f"{root}{INPUTS}" in there:
        whole = _read(store, f"{root}{INPUTS}", wanted)
        if not names or names == whole.covered:
            return whole
        if len(names) == 1 and names[0] in whole.covered:
            return whole.only(names[0])
        unknown = sorted(set(names) - set(whole.covered))
        if unknown:
            known = ", ".join(whole.covered)
            raise UsageError(f"no business unit is called {', '.join(map(repr, unknown))}; known: {known}")
    known = _known(store, cadence)
    told = f"there are: {known}" if known else "there is none yet: `capforecast run` makes them"
    raise UsageError(f"no {cadence} report {wanted.about} in {store.url}; {told}")


def _known(store: Store, cadence: Cadence) -> str:
    """The reports there are, in words; "" without any."""
    prefix = f"reports/cadence={cadence}/as_of="
    found = sorted(key.removeprefix(prefix).split("/") for key in store.keys("reports") if key.startswith(prefix))
    days: dict[str, list[str]] = {}
    for day, *rest in found:
        if rest[-1:] == [INPUTS]:
            days.setdefault(day, []).append(rest[0].removeprefix("business_unit="))
    return ", ".join(f"{day} ({_which(names)})" for day, names in days.items())


def _which(names: list[str]) -> str:
    """Whom the reports of a day are about."""
    units = [name for name in names if name != INPUTS]
    fleet = ["the fleet"] if len(units) < len(names) else []
    return ", ".join(fleet + (units if len(units) <= _MOST_NAMED else [f"{len(units)} business units"]))


def _read(store: Store, key: str, wanted: Wanted) -> ReportInputs:
    try:
        content = json.loads(store.read(key))
        return ReportInputs.model_validate(content | {"ingested": content["ingested"] | {"observations": []}})
    except ValidationError as error:
        raise _other_version(error, key, wanted) from None


def _settings(inputs: ReportInputs, wanted: Wanted) -> Settings:
    try:
        return Settings.model_validate(inputs.settings)
    except ValidationError as error:
        raise _other_version(error, INPUTS, wanted) from None


def _other_version(error: ValidationError, key: str, wanted: Wanted) -> UsageError:
    what = ".".join(str(part) for part in error.errors()[0]["loc"])
    return UsageError(
        f"{key} was written by another version of capforecast ({what}: {error.errors()[0]['msg']}): "
        f"run again with --as-of {wanted.as_of}"
    )


def _cadence(name: str) -> Cadence:
    try:
        return Cadence(name)
    except ValueError:
        raise UsageError(f"--cadence {name!r}: use daily or hourly") from None


def _by_format(paths: list[str]) -> dict[str, str]:
    return {Path(path).suffix.removeprefix("."): path for path in paths}
