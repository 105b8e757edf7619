"""The models one can ask for by name; `fleet` is the engine, the others are what people would use instead."""

from __future__ import annotations

from capforecast.errors import UsageError
from capforecast.forecast import engine, naive, prophet, trees
from capforecast.forecast.kinds import Kind
from capforecast.forecast.model import NAME, FleetModel

FLEET = Kind(
    NAME,
    "the fleet engine: many cheap candidates per series, weighed by their past errors",
    lambda panel, horizon, settings: engine.train(panel, horizon, settings).model,
    FleetModel.from_tables,
)
_KINDS = {kind.name: kind for kind in (FLEET, prophet.PROPHET, trees.TREES, trees.RANDOM_FOREST, naive.SEASONAL_NAIVE)}


def model_names() -> tuple[str, ...]:
    """Names of all kinds."""
    return tuple(_KINDS)


def model_kind(name: str) -> Kind:
    """The kind of a name.

    Raises:
        UsageError: there is none; the message names those there are.
    """
    if name not in _KINDS:
        known = "; ".join(f"{kind.name} ({kind.summary})" for kind in _KINDS.values())
        raise UsageError(f"there is no model {name!r}; choose from: {known}")
    return _KINDS[name]
