"""The tree of valid keys, read off the settings model: what may stand under a key, its words, its nearest neighbour."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from capforecast.settings import Settings

PREFIX = "CAPFORECAST_"  # of the environment variables

KeyPath: TypeAlias = tuple[str | int, ...]


def bare(kind: Any) -> Any:
    """An annotation without bounds and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif is_optional(kind):
            kind = next(part for part in get_args(kind) if part is not type(None))
        else:
            return kind


def is_optional(kind: Any) -> bool:
    """May it be null?"""
    return type(None) in get_args(kind) and (get_origin(kind) is Union or type(kind).__name__ == "UnionType")


def is_section(kind: Any) -> bool:
    """Is it a group of keys?"""
    kind = bare(kind)
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, BaseModel)


def is_mapping(kind: Any) -> bool:
    """Do keys stand under it, fixed or free?"""
    return is_section(kind) or get_origin(bare(kind)) is dict


def is_text(kind: Any) -> bool:
    """Is its value text, whatever it looks like?"""
    kind = bare(kind)
    return kind is str or (get_origin(kind) is Literal and all(isinstance(value, str) for value in get_args(kind)))


def below(kind: Any, key: str | int) -> Any:
    """Annotation of what stands under a key; None = no such key."""
    kind = bare(kind)
    if is_section(kind):
        known = kind.model_fields.get(key)
        return known.annotation if known else None
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return arguments[1]
    return arguments[0] if get_origin(kind) is tuple and isinstance(key, int) else None


def leaves(values: Mapping[str, Any], kind: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Keys and values of a tree; an empty mapping is a leaf."""
    for key, value in values.items():
        inner = below(kind, key)
        if is_mapping(inner) and value:
            yield from leaves(value, inner, (*path, key))
        else:
            yield (*path, key), value


def description(path: KeyPath) -> str:
    """What default.yaml says of a key; entries of a free mapping share the mapping's words."""
    kind: Any = Settings
    text = ""
    for key in path:
        if is_section(kind):
            text = bare(kind).model_fields[key].description or text
        kind = below(kind, key)
    return text


def dotted(path: KeyPath) -> str:
    """`section.key`."""
    return ".".join(str(part) for part in path)


def variable(path: KeyPath) -> str:
    """The environment variable of a key."""
    return PREFIX + "__".join(str(part) for part in path).upper()


def nearest(parent: KeyPath, key: str) -> KeyPath:
    """Valid key nearest to one that is not known under `parent`: a sibling, else the same name in another section.

    Any key may stand in a free mapping.
    """
    kind: Any = Settings
    for part in parent:
        kind = below(kind, part)
    if not is_section(kind):
        return (*parent, key) if is_mapping(kind) else parent
    siblings = {name: (*parent, name) for name in bare(kind).model_fields}
    elsewhere = {str(path[-1]): path for path, _ in leaves(Settings().model_dump(), Settings)}
    name = key.lower().replace("-", "_")
    for choice, cutoff in ((siblings, 0.6), (elsewhere, 0.75), (siblings, 0.0)):
        close = difflib.get_close_matches(name, list(choice), 1, cutoff)
        if close:
            return choice[close[0]]
    return next(iter(siblings.values()))


def nearest_variable(path: KeyPath) -> KeyPath:
    """The key whose variable looks most like the one given: one underscore for two is the usual slip."""
    choice = {variable(leaf): leaf for leaf, _ in leaves(Settings().model_dump(), Settings)}
    return choice[difflib.get_close_matches(variable(path), list(choice), 1, 0.0)[0]]
