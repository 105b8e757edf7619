"""What the containers of SageMaker share: where things lie, who else is there, and how an end is told.

The standard library and our errors only: whatever else fails to be imported must leave its reason, too.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from capforecast.errors import CapforecastError, ConfigError, StageError, UsageError

log = logging.getLogger("capforecast.sagemaker")
ROOT = "/opt/ml"
ROOT_VARIABLE = "SAGEMAKER_BASE_DIR"  # moves it: a variable of SageMaker's own training toolkit
MOST_TOLD = 1024  # bytes of a reason that SageMaker shows


@dataclass(frozen=True)
class Cluster:
    """The instances of a job, and which of them this is."""

    host: str
    hosts: tuple[str, ...]


class Arguments(argparse.ArgumentParser):
    """Options whose mistakes raise UsageError, so that they are told like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        raise UsageError(message)


def root_of(environment: Mapping[str, str]) -> Path:
    """Where SageMaker mounts input and takes output from."""
    return Path(environment.get(ROOT_VARIABLE) or ROOT)


def cluster_of(folder: Path) -> Cluster:
    """Who works at the job, by `resourceconfig.json` in a folder; alone where there is none. Raises UsageError."""
    content = read_json(folder / "resourceconfig.json")
    if content is None:
        return Cluster("algo-1", ("algo-1",))
    try:
        here = Cluster(str(content["current_host"]), tuple(sorted(map(str, content["hosts"]))))
    except (KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'resourceconfig.json'} lacks {error}: it names current_host and hosts") from None
    if here.host not in here.hosts or here.host in {"", ".", ".."} or "/" in here.host:
        raise UsageError(f"{folder / 'resourceconfig.json'}: current_host {here.host!r} is none of hosts")
    return here


def read_json(file: Path) -> Any:
    """What a JSON file holds; None where there is none. Raises UsageError."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as JSON: {error}") from None


def check_writable(folder: Path) -> None:
    """Raise ConfigError where nothing can be written to a folder: better before hours of work than after them."""
    probe = folder / ".capforecast"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written by user {os.getuid()} ({error.strerror}): build the image with "
            "SAGEMAKER_USER=0:0 (docs/aws-compute.md)"
        ) from None


def set_level(level: str) -> None:
    """Least level of log lines, once the settings are known."""
    logging.getLogger("capforecast").setLevel(level)


@contextmanager
def _logged() -> Iterator[None]:
    """Log lines go to standard output, which SageMaker keeps."""
    handler, logger = logging.StreamHandler(sys.stdout), logging.getLogger("capforecast")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def ended(work: Callable[[], str], on_failure: Path, on_success: Path | None = None) -> int:
    """Do the job and tell how it ended, in the files SageMaker reads; returns the exit code.

    Whatever ends it leaves a reason: an error of ours its message, any other its place and traceback too.
    """
    with _logged():
        try:
            said = work()
        except BaseException as error:
            if isinstance(error, SystemExit) and not error.code:  # --help
                return 0
            ours = isinstance(error, CapforecastError)
            log.error("%s", error, exc_info=None if ours else error)
            tell(on_failure, reason(error))
            return error.exit_code if isinstance(error, CapforecastError) else 1
        log.info("%s", said)
        if on_success is not None:
            tell(on_success, said)
        return 0


def reason(error: BaseException) -> str:
    """What went wrong: an error of ours in its own words, another with its place in the first line, then the trace."""
    head = f"{type(error).__name__}: {error}"
    if isinstance(error, CapforecastError):
        return head
    trace = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(trace[-1].filename).name}:{trace[-1].lineno} in {trace[-1].name})" if trace else ""
    return f"{head}{place}\n{''.join(traceback.format_exception(error))}"


def tell(file: Path, text: str) -> None:
    """Write a message; its first kilobyte, which is all SageMaker shows, ends with a whole character."""
    whole = text.encode("utf-8", "replace")
    head = whole[:MOST_TOLD].decode("utf-8", "ignore").encode()
    rest = b"" if len(whole) <= MOST_TOLD else whole[len(head) :]
    padding = b" " * (MOST_TOLD - len(head)) if rest else b""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(head + padding + rest)
    except OSError as error:
        log.error("the reason cannot be written to %s: %s", file, error)


def each_unit(names: Iterable[str], work: Callable[[str], None]) -> None:
    """Do the work for each business unit; the failure of one stops no other.

    Raises the error of the only unit, or StageError that names all that failed.
    """
    every, errors = list(names), dict[str, Exception]()
    for name in every:
        try:
            work(name)
        except Exception as error:
            if len(every) == 1:
                raise
            log.error("%s failed: %s", name, error, exc_info=None if isinstance(error, CapforecastError) else error)
            errors[name] = error
    if errors:
        said = "; ".join(f"{name}: {reason(error).splitlines()[0]}" for name, error in errors.items())
        raise StageError(f"{len(errors)} of {len(every)} business units failed: {said}")
