"""Layers of settings laid over each other, each value with the place where it stands, all problems together.

Mappings merge, lists replace. Every key is checked in every layer; values are checked once merged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from capforecast.errors import ConfigError
from capforecast.keys import (
    KeyPath,
    below,
    dotted,
    is_mapping,
    is_optional,
    is_section,
    is_text,
    leaves,
    nearest,
    nearest_variable,
    variable,
)
from capforecast.settings import Settings

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WORDS |= {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_REASONS = {
    "missing": "is missing",
    "tuple_type": "must be a list: [a, b]",
    "model_type": "must be a mapping (`key: value` lines)",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
}


@dataclass(frozen=True)
class Origin:
    """Where a key stands: a layer, for a file also the line."""

    layer: str
    line: int = 0
    own_file: bool = False  # lines of shipped files help in an error, not in a listing
    is_variable: bool = False
    is_secret: bool = False  # what stands there is in no message

    def at(self, node: yaml.Node) -> Origin:
        """The same layer, at the line of a node."""
        return Origin(self.layer, node.start_mark.line + 1, self.own_file) if self.line else self

    def __str__(self) -> str:
        return f"{self.layer}:{self.line}" if self.line else self.layer

    @property
    def short(self) -> str:
        """As a listing shows it."""
        return str(self) if self.own_file else self.layer


_BUILT_IN = Origin("built-in default")


@dataclass
class Layers:
    """The merged tree while layers are laid over it."""

    values: dict[str, Any] = field(default_factory=lambda: Settings().model_dump(mode="json"))
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[tuple[Origin, str]] = field(default_factory=list)

    def add_file(self, file: Path, origin: Origin) -> None:
        """Lay a YAML file over what is there. Raises ConfigError when it cannot be read as YAML."""
        try:
            text = file.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(f"cannot read the settings file {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
        node = self._compose(text, origin)
        if node is not None:
            self._lay((), node, Settings, origin)

    def add_text(self, path: tuple[str, ...], value: object, origin: Origin) -> None:
        """Lay one value under a path; text is read as YAML unless the key wants text."""
        if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            self.problem(origin, "is not UTF-8 text")
            return
        kind: Any = Settings
        for depth, key in enumerate(path):
            inner = below(kind, key)
            if inner is None:
                self._unknown(path, depth, origin)
                return
            if origin.is_variable and not is_section(kind) and not is_section(inner):
                whole = variable(path[:depth])
                self.problem(origin, f"variables know no case; give it whole: {whole}='{{name: value}}'")
                return
            kind = inner
        if isinstance(value, str) and is_text(kind):
            self._put(path, None if is_optional(kind) and _is_null(value) else value, origin)
            return
        node = self._compose(value if isinstance(value, str) else json.dumps(value, default=str), origin)
        self._lay(path, yaml.ScalarNode(_PLAIN_TAG + "str", "", style="'") if node is None else node, kind, origin)

    def result(self) -> tuple[Settings, dict[str, str]]:
        """The checked settings and the origin of each key. Raises ConfigError with every problem."""
        try:
            settings = Settings.model_validate_json(json.dumps(self.values), strict=True)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._invalid(dict(details))
        if self.problems:
            layers = list(dict.fromkeys(origin.layer for origin, _ in self.problems))
            self.problems.sort(key=lambda problem: (layers.index(problem[0].layer), problem[0].line))
            lines = [f"{origin}: {text}" for origin, text in self.problems]
            head = [f"{len(lines)} problems in the settings:"] if len(lines) > 1 else []
            raise ConfigError("\n  ".join(head + lines))
        paths = [path for path, _ in leaves(settings.model_dump(mode="json"), Settings)]
        return settings, {dotted(path): self.origins.get(path, _BUILT_IN).short for path in paths}

    def _compose(self, text: str, origin: Origin) -> yaml.Node | None:
        try:
            node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            place = Origin(origin.layer, mark.line + 1) if mark and origin.line else Origin(origin.layer)
            reason = getattr(error, "problem", None) or str(error).splitlines()[0]
            raise ConfigError(f"{place}: not valid YAML: {reason}") from error
        return node

    def _lay(self, path: KeyPath, node: yaml.Node, kind: Any, origin: Origin, above: tuple[int, ...] = ()) -> None:
        """Merge a node over what stands at `path`; `above` guards against an alias that holds itself."""
        if not is_mapping(kind):
            for old in [known for known in self.origins if known[: len(path)] == path]:
                del self.origins[old]
            self._put(path, self._value(path, node, kind, origin), origin)
        elif id(node) in above:
            self.problem(origin, f"`{dotted(path)}` holds itself")
        elif isinstance(node, yaml.MappingNode):
            if not node.value:
                self.origins[path] = origin
            for key, item, place in self._pairs(path, node, kind, origin):
                self._lay((*path, key), item, below(kind, key), place, (*above, id(node)))
        elif not (isinstance(node, yaml.ScalarNode) and not node.style and _is_null(node.value)):
            where = f"`{dotted(path)}`" if path else "the file"
            self.problem(origin, f"{where} must be a mapping (`key: value` lines){_not(origin, _shown(node))}")

    def _value(self, path: KeyPath, node: yaml.Node, kind: Any, origin: Origin, above: tuple[int, ...] = ()) -> Any:
        """Plain value of a node; remembers where each item stands."""
        self.origins[path] = origin
        if not node.tag.startswith(_PLAIN_TAG) or node.tag.startswith(_PLAIN_TAG + "python"):
            tag = "a YAML tag" if origin.is_secret else f"the YAML tag {node.tag}"
            self.problem(origin, f"`{dotted(path)}`: {tag} is not supported; write a plain value")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, kind)
        if id(node) in above:
            self.problem(origin, f"`{dotted(path)}` holds itself")
            return None
        above = (*above, id(node))
        if not isinstance(node, yaml.MappingNode):
            items = enumerate(node.value)
            return [self._value((*path, i), item, below(kind, i), origin.at(item), above) for i, item in items]
        return {
            key: self._value((*path, key), item, below(kind, key), place, above)
            for key, item, place in self._pairs(path, node, kind, origin)
        }

    def _pairs(
        self, path: KeyPath, node: yaml.MappingNode, kind: Any, origin: Origin
    ) -> Iterator[tuple[str, yaml.Node, Origin]]:
        """Known keys of a mapping, each once."""
        seen: dict[str, Origin] = {}
        for key, item in node.value:
            place = origin.at(key)
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or key.tag == "tag:yaml.org,2002:merge":
                self.problem(place, "a key must be a plain name; merge keys (`<<`) are not supported")
            elif name in seen:
                self.problem(place, f"`{dotted((*path, name))}` is also set at {seen[name]}; remove one")
            elif is_section(kind) and below(kind, name) is None:
                self._unknown((*path, name), len(path), place)
            else:
                yield name, item, place
            if name is not None:
                seen.setdefault(name, place)

    def problem(self, origin: Origin, text: str) -> None:
        """Note something wrong; `result` raises all of it."""
        self.problems.append((origin, text))

    def _put(self, path: KeyPath, value: Any, origin: Origin) -> None:
        parent: Any = self.values
        for key in path[:-1]:
            parent = parent.setdefault(key, {})
        parent[path[-1]] = value
        self.origins[path] = origin

    def _origin(self, path: KeyPath) -> Origin:
        """Where a key, or the nearest thing above it, stands."""
        lengths = range(len(path), 0, -1)
        return next((self.origins[path[:n]] for n in lengths if path[:n] in self.origins), _BUILT_IN)

    def _unknown(self, path: KeyPath, depth: int, origin: Origin) -> None:
        outermost = origin.is_variable and depth == 0
        known = nearest_variable(path) if outermost else nearest(path[:depth], str(path[depth]))
        shown = variable(known) if origin.is_variable else dotted(known)
        self.problem(origin, f"unknown key `{dotted(path)}`; the nearest valid key is `{shown}`")

    def _invalid(self, error: dict[str, Any]) -> None:
        """Note a pydantic error; where keys contradict each other, what a person wrote comes before what we ship."""
        path: KeyPath = tuple(part for part in error["loc"] if part != "[key]")
        message = str(error.get("ctx", {}).get("error", "")) if error["type"] == "value_error" else ""
        rivals = [(*path, name) for name in re.findall(r"`(\w+)`", message)]
        places = list(dict.fromkeys(self.origins[rival] for rival in rivals if rival in self.origins))
        places = sorted(places, key=lambda place: place.layer == "default.yaml") or [self._origin(path)]
        if message:
            others = "".join(f" (see also {place})" for place in places[1:])
            said = "is not valid (its value is secret and not shown)" if places[0].is_secret else message
            self.problem(places[0], f"`{dotted(path)}`: {said}{others}")
            return
        reason = _REASONS.get(error["type"], error["msg"].replace("Input should be", "must be"))
        given = "" if error["type"] == "missing" else _not(places[0], json.dumps(error["input"], default=str))
        self.problem(places[0], f"`{dotted(path)}` {reason}{given}")


def _scalar(node: yaml.ScalarNode, kind: Any) -> Any:
    """YAML 1.2 core scalars: `NO` stays the country, 010 is ten, 12:30 is text; plain text where the key wants text."""
    text = str(node.value)
    word = text.lower()
    if node.style:
        return text
    if is_text(kind):
        return None if _is_null(text) else text
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def _is_null(text: str) -> bool:
    return _WORDS.get(text.lower(), text) is None


def _not(origin: Origin, value: str) -> str:
    """The end of a message that says what was found instead, unless that is secret."""
    return "" if origin.is_secret else f", not {value}"


def _shown(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else f"`{node.value}`"
