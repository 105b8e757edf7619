"""A JSON file too large for the memory, member by member: only values that are asked for are built."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TextIO

_CHUNK = 2**20  # characters read at a time
_LARGEST = 64 * _CHUNK  # of a single value; anything larger is no value that somebody asks for
_SPACE = re.compile(r"[ \t\r\n]*")
_MARK = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)
_NUMBER_GOES_ON = re.compile(r"[0-9.eE+-]*")  # to the end of what was read: it may in the next chunk
_SCALAR_END = re.compile(r"[,}\] \t\r\n]")


class NotJsonError(ValueError):
    """The text is not JSON, or not of the expected form; the message says in which line."""


class JsonStream:
    """A reader that stands before a value and moves on: members(), value() or skip()."""

    def __init__(self, text: TextIO) -> None:
        self._file, self._text, self._at, self._ended = text, "", 0, False
        self._line, self._counted = 1, 0  # line at this place of the text
        self._decoder = json.JSONDecoder()

    def __enter__(self) -> JsonStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def line(self) -> int:
        """Line it stands in, counted from 1."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def members(self) -> Iterator[str]:
        """Names of an object's members, in order; before the next, its value must have been read or skipped."""
        self._expect("{")
        if self._peek() == "}":
            self._at += 1
            return
        while True:
            name = self.value() if self._peek() == '"' else None
            if not isinstance(name, str):
                raise self._wrong("the name of a member")
            self._expect(":")
            yield name
            if self._peek() == "}":
                self._at += 1
                return
            self._expect(",")

    def value(self) -> Any:
        """The next value, built whole."""
        self._peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
                if self._ended or not _NUMBER_GOES_ON.fullmatch(self._text, end):
                    self._at = end
                    return found
            except (json.JSONDecodeError, RecursionError) as error:
                if self._ended or isinstance(error, RecursionError) or len(self._text) > _LARGEST:
                    raise self._wrong("a value") from None
            self._more()

    def skip(self) -> None:
        """Move behind the next value without building it; what is inside is not checked."""
        first = self._peek()
        if first == '"':
            self._skip_string()
        elif first in "{[":
            self._skip_nested()
        elif first in ",:}]":
            raise self._wrong("a value")
        else:
            self._find(_SCALAR_END, behind=False)

    def _skip_nested(self) -> None:
        depth = 0
        while True:
            mark = self._find(_MARK)
            if mark == '"':
                self._at -= 1
                self._skip_string()
            else:
                depth += 1 if mark in "{[" else -1
            if depth == 0:
                return

    def _skip_string(self) -> None:
        while not (found := _STRING_END.match(self._text, self._at + 1)):
            if self._ended or len(self._text) > _LARGEST:
                raise self._wrong("the end of a string")
            self._more()
        self._at = found.end()

    def _find(self, pattern: re.Pattern[str], behind: bool = True) -> str:
        """Go to the next match, and return it."""
        while not (found := pattern.search(self._text, self._at)):
            self._at = len(self._text)
            if self._ended:
                raise self._wrong("the end of a value")
            self._more()
        self._at = found.end() if behind else found.start()
        return found[0]

    def _peek(self) -> str:
        """The next character that is no space."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                raise self._wrong("more")
            self._more()

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._wrong(f"`{mark}`")
        self._at += 1

    def _more(self) -> None:
        """Read on, and drop what lies behind."""
        _ = self.line  # counts what is dropped
        chunk = self._file.read(
            max(_CHUNK, len(self._text) - self._at)
        )  # doubles, so that a long value costs no square
        self._text, self._at, self._counted, self._ended = self._text[self._at :] + chunk, 0, 0, not chunk

    def _wrong(self, expected: str) -> NotJsonError:
        return NotJsonError(f"line {self.line}: {expected} was expected, and the file ends or says otherwise")
