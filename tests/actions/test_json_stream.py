"""A stream hands out the same members as reading the whole file, however little is read at a time."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions import json_stream
from capforecast.actions.json_stream import JsonStream, NotJsonError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(TEXTS, VALUES, max_size=5), chunk=st.integers(1, 50), data=st.data())
def test_members_are_those_of_the_whole_file(content: dict[str, Any], chunk: int, data: st.DataObject) -> None:
    text = json.dumps(content, indent=data.draw(st.sampled_from([None, 1])))
    taken = {name for name in content if data.draw(st.booleans())}
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        stream = JsonStream(io.StringIO(text))
        names = []
        for name in stream.members():
            names.append(name)
            if name in taken:
                found[name] = stream.value()
            else:
                stream.skip()
        assert stream.line == text.count("\n") + 1
    assert names == list(content)
    assert found == {name: content[name] for name in taken}


@pytest.mark.parametrize(
    "text", ["", "[1]", "{1: 2}", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": [1, 2', '{"a": "b', '{"a": }', "{,}"]
)
def test_what_is_no_object_is_refused_with_its_line(text: str) -> None:
    def read(act: str) -> None:
        stream = JsonStream(io.StringIO("\n\n" + text))
        for _ in stream.members():
            getattr(stream, act)()

    with pytest.raises(NotJsonError, match="line 3: "):
        read("value")
    with pytest.raises(NotJsonError, match="line 3: "):
        read("skip")


def test_a_number_may_be_split_between_two_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 1)
    stream = JsonStream(io.StringIO('{"a": 12345, "b": -1.5e3, "c": 0.25}'))
    assert {name: stream.value() for name in stream.members()} == {"a": 12345, "b": -1500.0, "c": 0.25}
