"""The advice of a run, for commands: the lake of the settings, and a run by the words of the command line."""

from __future__ import annotations

from pathlib import Path

from capforecast.actions.advice_book import AdviceBook, open_book
from capforecast.configuration import Loaded, usable_store
from capforecast.errors import UsageError
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.stages.intake import parse_as_of


def open_store(loaded: Loaded) -> Store:
    """The lake of the settings; raises UsageError where there is none."""
    url = usable_store(loaded)
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise UsageError(f"there is no lake at {url}; name it with --store")
    return Store(url, loaded.settings.storage)


def open_advice(loaded: Loaded, cadence: str, as_of: str | None) -> AdviceBook:
    """The advice as of a moment, or the newest; raises UsageError where there is none."""
    store = open_store(loaded)
    try:
        step = Cadence(cadence)
    except ValueError:
        raise UsageError(f"--cadence {cadence!r}: use daily or hourly") from None
    return open_book(store, step, parse_as_of(as_of) if as_of else None)
