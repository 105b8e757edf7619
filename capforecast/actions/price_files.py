"""Files of prices: our CSV, a customer's rate card (the same CSV, or YAML), and the AWS price list (offer_files.py).

A rate card in CSV says in comments above its header what holds for all rows, `# date: 2026-11-28`; date is needed,
source, currency, region and os are not. In YAML the same stands beside `prices`, which is a list of rows or, where
region and os are the same for all, a mapping of instance type to price per hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from capforecast.actions import offer_files
from capforecast.actions.price_rows import HEAD_KEYS, LAYOUT, Card, Head, PriceFile, head
from capforecast.errors import ConfigError
from capforecast.fleet import commented_csv

_HEAD_LINE = re.compile(rf"#\s*({'|'.join(HEAD_KEYS)})\s*:\s*(\S.*)", re.IGNORECASE)
_MOST_YAML = 32 * 2**20  # bytes; a rate card is written by hand


def read(file: Path, currency: str) -> PriceFile:
    """The prices in `file`, in `currency`.

    Raises ConfigError that names file, line and column of what cannot be used, and for another currency.
    """
    kind = file.suffix.lower()
    if kind == ".json":
        return offer_files.read_json(file, currency)
    if kind in (".yaml", ".yml"):
        return _read_yaml(file, currency)
    if kind != ".csv":
        raise ConfigError(f"{file}: prices are read from .csv, .yaml and .json files (setting prices.files)")
    return offer_files.read_csv(file, currency) if offer_files.is_offer_csv(file) else _read_csv(file, currency)


def _read_csv(file: Path, currency: str) -> PriceFile:
    card = Card(_csv_head(file, currency))
    for line, cells in commented_csv.rows(file, LAYOUT):
        card.add(cells, file, line)
    return card.closed(file)


def _csv_head(file: Path, currency: str) -> Head:
    """What the comments above the header say."""
    said: dict[str, str] = {}
    for at, line in commented_csv.lines(file, LAYOUT):
        if line.strip() and not line.startswith("#"):
            break
        if found := _HEAD_LINE.match(line):
            _say(said, found[1].lower(), found[2].strip(), f"{file}:{at}")
    return head(said, file, currency)


def _say(said: dict[str, str], key: str, text: str, where: str) -> None:
    if key in said:
        raise ConfigError(f"{where}: {key} stands there twice; remove one")
    said[key] = text


def _read_yaml(file: Path, currency: str) -> PriceFile:
    said: dict[str, str] = {}
    prices: yaml.Node | None = None
    for key, line, node in _pairs(_document(file), file):
        if key == "prices" and prices is None:
            prices = node
        elif key in HEAD_KEYS:
            _say(said, key, _text(node, f"{file}:{line}: {key}"), f"{file}:{line}")
        else:
            raise ConfigError(f"{file}:{line}: {key!r} is not known or stands there twice; known: {_YAML_KEYS}")
    card = Card(head(said, file, currency))
    for line, cells in _yaml_rows(prices, file):
        card.add(cells, file, line)
    return card.closed(file)


_YAML_KEYS = ", ".join((*HEAD_KEYS, "prices"))


def _document(file: Path) -> yaml.Node:
    """The file as nodes, which remember their lines; no object is built of it."""
    text = "\n".join(line for _, line in commented_csv.lines(_small(file), LAYOUT))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{place}: not YAML ({getattr(error, 'problem', None) or error})") from error
    if node is None:
        raise ConfigError(f"{file} is empty; it needs {_YAML_KEYS}")
    return node


def _small(file: Path) -> Path:
    if file.is_file() and file.stat().st_size > _MOST_YAML:
        raise ConfigError(f"{file}: larger than a rate card in YAML may be (32 MiB); write it as CSV")
    return file


def _yaml_rows(prices: yaml.Node | None, file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    if isinstance(prices, yaml.MappingNode):
        for name, line, node in _pairs(prices, file):
            yield line, {"instance_type": name, "hourly": _text(node, f"{file}:{line}: {name}")}
    elif isinstance(prices, yaml.SequenceNode):
        for row in prices.value:
            cells = list(_pairs(row, file))
            where = f"{file}:{row.start_mark.line + 1}"
            commented_csv.check_names([name for name, _, _ in cells], LAYOUT, where)
            yield row.start_mark.line + 1, {name: _text(node, f"{file}:{line}: {name}") for name, line, node in cells}
    else:
        raise ConfigError(f"{file}: no list of rows or mapping under `prices`; it needs {_YAML_KEYS}")


def _pairs(node: yaml.Node, file: Path) -> Iterator[tuple[str, int, yaml.Node]]:
    """Key, line and value of a mapping."""
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{file}:{node.start_mark.line + 1}: write `key: value` here, not a list or a single value")
    for key, value in node.value:
        line = key.start_mark.line + 1
        yield _text(key, f"{file}:{line}: a key"), line, value


def _text(node: yaml.Node, where: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(f"{where} holds a list or mapping; write a single value")
    return str(node.value).strip()
