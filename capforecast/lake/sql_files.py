"""Named queries: one .sql file each, in Athena's dialect, with a header that says what it means, takes and returns.

    -- First line: what it answers.
    -- Further lines: what must be known to read it.
    -- param <name> <kind> = <default>: <meaning>          (without `= <default>` it must be given)
    -- param <name> one of <a> <b> = <default>: <meaning>  (one of these words)
    -- returns <name> <type>: <meaning>
    SELECT ... WHERE as_of = :as_of

Values never become part of the text: DuckDB is handed them beside it, Athena as literals for its `?`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from capforecast.errors import UsageError
from capforecast.lake.segments import unit_segment
from capforecast.schema import Cadence

Kind = Literal["text", "number", "integer", "count", "date", "cadence", "as_of", "business_unit", "choice"]
Type = Literal["text", "number", "integer", "yes/no", "time"]
Value = str | int | float
FOLDER = Path(__file__).parent / "queries"
LATEST, PREVIOUS = "latest", "previous"  # cut-offs by the place they have in the lake
ALL_UNITS = "*"
LONGEST_TEXT = 200
LARGEST_INTEGER = 2**31 - 1
LARGEST_COUNT = 100_000
_PARAM = re.compile(
    r"param (?P<name>[a-z_]+) (?:one of (?P<choices>\w+(?: \w+)+)|(?P<kind>[a-z_]+))"
    r"(?: = (?P<default>[^:]+))?: (?P<meaning>.+)"
)
_RETURNS = re.compile(r"returns (?P<name>[a-z0-9_]+) (?P<kind>[a-z/]+): (?P<meaning>.+)")
# What may stand where a name could: quoted text, quoted names, comments; then a parameter.
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|(?<!:):(?P<name>[a-z_][a-z0-9_]*)""", re.S)
_AS_OF = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2})?")


@dataclass(frozen=True)
class Parameter:
    """What a query takes. default: None = it must be given. choices: of kind `choice`, what may be given."""

    name: str
    kind: Kind
    default: str | None
    meaning: str
    choices: tuple[str, ...] = ()

    @property
    def takes(self) -> str:
        """Its kind in words: the choices where these are all."""
        return f"one of {', '.join(self.choices)}" if self.choices else self.kind

    def value(self, text: str) -> Value:
        """The value meant by a text. Raises UsageError."""
        if self.choices and text not in self.choices:
            raise UsageError(f"parameter {self.name}: {text!r} is not {self.takes}{_near(text, self.choices)}")
        try:
            return _READERS[self.kind](text)
        except ValueError as error:
            raise UsageError(f"parameter {self.name} ({self.kind}): {text!r} {error}") from None


@dataclass(frozen=True)
class Returned:
    """A column of a query's answer."""

    name: str
    type: Type
    meaning: str


@dataclass(frozen=True)
class Query:
    """A named query. sql: without its header, parameters as `:name`."""

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]
    returns: tuple[Returned, ...]
    sql: str

    def values(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Value of every parameter: as given, else its default; `latest` and `previous` are left as they are.

        Raises UsageError for one that is unknown, missing or not of its kind.
        """
        names = [each.name for each in self.parameters]
        for name in given:
            if name not in names:
                raise UsageError(f"query {self.name} has no parameter {name!r}{meant(name, names)}")
        missing = [each.name for each in self.parameters if each.default is None and each.name not in given]
        if missing:
            raise UsageError(f"query {self.name} needs --param {missing[0]}=...: {self._meaning(missing[0])}")
        return {each.name: each.value(str(given.get(each.name, each.default))) for each in self.parameters}

    def _meaning(self, name: str) -> str:
        return next(each.meaning for each in self.parameters if each.name == name)

    def of_kind(self, kind: Kind) -> list[str]:
        """Names of the parameters of a kind."""
        return [each.name for each in self.parameters if each.kind == kind]

    def positional(self) -> tuple[str, list[str]]:
        """The text with `?` in place of each parameter, and their names in order."""
        order: list[str] = []

        def mark(part: re.Match[str]) -> str:
            if not part["name"]:
                return part[0]
            order.append(part["name"])
            return "?"

        return _PARTS.sub(mark, self.sql), order


def literal(value: Value) -> str:
    """A value as a literal of Athena's SQL. Raises UsageError for a text that no literal can hold."""
    if isinstance(value, str):
        if "\0" in value:
            raise UsageError("a parameter holds a NUL character; leave it out")
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return str(value)
    written = repr(value)
    return written if "e" in written else f"{written}E0"  # without an exponent it would be a decimal


def names() -> list[str]:
    """Names of the queries that are shipped, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.sql"))


def load(name: str) -> Query:
    """A shipped query. Raises UsageError where there is none of that name."""
    known = names()
    if name not in known:
        raise UsageError(f"no query is called {name!r}{meant(name, known)}")
    return read(FOLDER / f"{name}.sql")


def read(file: Path) -> Query:
    """The query in a file. Raises UsageError, naming file and line, for a header that is not as described above."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{file} cannot be read: {why}") from None
    lines = text.splitlines()
    length = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    meaning, parameters, returns = [], [], []
    for at, line in enumerate(lines[:length], 1):
        said = line.removeprefix("--").strip()
        if said.startswith("param "):
            parameters.append(_parameter(said, f"{file.name}, line {at}"))
        elif said.startswith("returns "):
            returns.append(_returned(said, f"{file.name}, line {at}"))
        else:
            meaning.append(said)
    query = Query(
        file.stem, "\n".join(meaning), tuple(parameters), tuple(returns), "\n".join(lines[length:]).strip().rstrip(";")
    )
    _check(query, file.name)
    return query


def _parameter(said: str, where: str) -> Parameter:
    match = _PARAM.fullmatch(said)
    kinds = [each for each in get_args(Kind) if each != "choice"]
    if match is None or not (match["choices"] or match["kind"] in kinds):
        raise UsageError(
            f"{where}: write `-- param <name> <kind> = <default>: <meaning>`, kind one of {', '.join(kinds)}; or "
            "`-- param <name> one of <word> <word> = <default>: <meaning>`"
        )
    kind: Kind = match["kind"] or "choice"  # type: ignore[assignment]
    default, choices = match["default"], (match["choices"] or "").split()
    parameter = Parameter(match["name"], kind, default and default.strip(), match["meaning"], tuple(choices))
    if parameter.default is not None:
        parameter.value(parameter.default)
    return parameter


def _returned(said: str, where: str) -> Returned:
    match = _RETURNS.fullmatch(said)
    if match is None or match["kind"] not in get_args(Type):
        raise UsageError(
            f"{where}: write `-- returns <name> <type>: <meaning>`, type one of {', '.join(get_args(Type))}"
        )
    return Returned(match["name"], match["kind"], match["meaning"])  # type: ignore[arg-type]


def _check(query: Query, where: str) -> None:
    declared = [each.name for each in query.parameters]
    _, used = query.positional()
    if not query.sql:
        raise UsageError(f"{where}: holds no query")
    if len(set(declared)) < len(declared):
        raise UsageError(f"{where}: declares a parameter twice")
    for name in used:
        if name not in declared:
            raise UsageError(f"{where}: uses :{name}, which its header does not declare{meant(name, declared)}")
    for name in declared:
        if name not in used:
            raise UsageError(f"{where}: declares the parameter {name} and does not use it")


def meant(name: str, known: list[str]) -> str:
    """What to say of a name that is not known: the one that may have been meant, or all there are."""
    return _near(name, known) or f"; there are: {', '.join(known) or 'none'}"


def _near(name: str, known: Sequence[str]) -> str:
    """Which of the known ones may have been meant, whatever the case it is written in; "" = none is near."""
    by_fold = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), list(by_fold), n=1)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"must be at most {LONGEST_TEXT} printable characters")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("is no number; write 80 or 0.5")
    return number


def _integer(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("is no whole number that a query takes; write 30")
    return int(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= LARGEST_COUNT:
        raise ValueError(f"must be a whole number of 1 to {LARGEST_COUNT}")
    return int(text)


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("is no day; write yyyy-mm-dd") from None


def _cadence(text: str) -> str:
    if text not in list(Cadence):
        raise ValueError(f"must be one of {', '.join(Cadence)}")
    return text


def _as_of(text: str) -> str:
    if text in (LATEST, PREVIOUS):
        return text
    if not _AS_OF.fullmatch(text):
        raise ValueError("is no cut-off; write latest, previous, yyyy-mm-dd or yyyy-mm-ddThh")
    _date(text[:10])
    return text


def _business_unit(text: str) -> str:
    return text if text == ALL_UNITS else unit_segment(_text(text))


_READERS: dict[Kind, Callable[[str], Value]] = {
    "text": _text, "number": _number, "integer": _integer, "count": _count, "date": _date, "cadence": _cadence,
    "as_of": _as_of, "business_unit": _business_unit, "choice": str,
}  # fmt: skip
