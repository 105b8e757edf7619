"""Input that cannot be used is refused before Prefect is loaded: no flow starts, no server, nothing is written."""

from __future__ import annotations

import logging
from pathlib import Path

from capforecast import stages
from capforecast.configuration import Loaded
from capforecast.errors import NoUsableInputError
from capforecast.settings import Settings
from capforecast.sources.files import read_files, read_head
from capforecast.sources.paths import find_files

WHOLE_UP_TO = 64 << 20  # bytes on disk; a larger source is read whole only once, by the run itself


def refuse_unusable(
    loaded: Loaded, source: str, inventory: str | None, as_of: str | None, known_at: str | None
) -> None:
    """Raise what the run's first stage would raise for this input.

    A source of up to 64 MiB is read whole, which takes about a second; of a larger one every file is opened and its
    head must make sense: the rest is judged by the run. What is worth a warning is said by the run.
    """
    for text, parse in ((as_of, stages.parse_as_of), (known_at, stages.parse_known_at)):
        if text is not None:
            parse(text)
    settings, url = loaded.settings, loaded.settings.store
    lake = None if "://" in url else Path(url).expanduser().resolve()
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        paths = find_files(source, lake)
        if sum(_size(path) for path in paths) <= WHOLE_UP_TO:
            read_files(source, settings, inventory, lake)
        else:
            _heads(paths, settings)
    finally:
        logging.disable(before)


def _heads(paths: list[Path], settings: Settings) -> None:
    problems = [problem for problem in (read_head(path, settings) for path in paths) if problem]
    if len(problems) == len(paths):
        raise NoUsableInputError("; ".join(problems[:3]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
