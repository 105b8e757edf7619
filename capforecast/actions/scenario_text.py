"""Text of a scenario: YAML or JSON, read within bounds, so that no text takes the process along."""

from __future__ import annotations

from typing import Any

from capforecast.errors import UsageError

LONGEST = 1_000_000  # characters
MOST_PARTS = 200_000  # values, each alias (`*name`) and merge (`<<`) counted as what it stands for
_SHORTER = "select servers by business unit, region or tier in place of their names"


def parsed(text: str, where: str) -> Any:
    """What JSON or YAML says; raises UsageError for what is neither, too long, or grows too large by its aliases."""
    import yaml

    if len(text) > LONGEST:
        raise UsageError(f"{where}: {len(text):,} characters, and a scenario has at most {LONGEST:,}: {_SHORTER}")
    try:
        return _content(text, where)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{where}: neither YAML nor JSON ({' '.join(str(error).split())[:200]})") from None


def _content(text: str, where: str) -> Any:
    """The same; raises what YAML does."""
    import yaml

    loader = yaml.SafeLoader(text)  # JSON is YAML, and dates may stand without quotes
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _parts(node, {}) > MOST_PARTS:
            raise UsageError(f"{where}: more than {MOST_PARTS:,} values, its aliases written out: {_SHORTER}")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _parts(node: Any, known: dict[int, int]) -> int:
    """Values below a node of YAML, itself included, each as often as it is named; ValueError for one within itself."""
    found = known.get(id(node))
    if found == 0:
        raise ValueError("an alias stands within what it names")
    if found is None:
        known[id(node)] = 0
        below = node.value if isinstance(node.value, list) else []
        inner = [part for each in below for part in (each if isinstance(each, tuple) else (each,))]
        found = known[id(node)] = 1 + sum(_parts(part, known) for part in inner)
    return found
