"""What the settings are built of: a strict section, kinds of numbers, checks of names."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A strict, frozen group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def time_zone(name: str) -> str:
    """The name of a time zone as it is; raises ValueError for one that is none."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone; use a name such as UTC or Europe/Berlin") from error
    return name


def variable_name(name: str | None) -> str | None:
    """The name of an environment variable as it is; raises ValueError, which does not repeat it, for what is none."""
    if name is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):  # not repeated in the message: it may be the secret
        raise ValueError("must be the name of an environment variable, such as REPORT_WEBHOOK, not what it holds")
    if name.upper().startswith("CAPFORECAST_"):
        raise ValueError(f"{name}: variables that begin with CAPFORECAST_ are settings; give it another name")
    return name
