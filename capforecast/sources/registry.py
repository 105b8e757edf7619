"""Names of the monitoring systems that can be read, and how each is made from the settings."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from capforecast.errors import UsageError
from capforecast.settings import Settings
from capforecast.sources.remote import Remote

# name -> "module:function" of a function (Settings) -> Remote; imported when asked for
SOURCES: dict[str, str] = {
    "prometheus": "capforecast.sources.prometheus:from_settings",
    "cloudwatch": "capforecast.sources.cloudwatch:from_settings",
}


def source(name: str, settings: Settings) -> Remote:
    """The source of this name; raises UsageError for a name that is none, ConfigError for settings that will not do."""
    if name not in SOURCES:
        raise UsageError(f"{name!r} is no source; one of: {', '.join(SOURCES)}")
    module, function = SOURCES[name].split(":")
    made: Callable[[Settings], Remote] = getattr(import_module(module), function)
    return made(settings)
