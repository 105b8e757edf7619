"""Keys and tables of the lake."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.errors import LakeError
from capforecast.lake.datasets import (
    cut_off_of,
    read_frame,
    selection_segment,
    table_of,
    to_json,
    to_parquet,
    unit_key,
    unit_segment,
    write_table,
)
from capforecast.lake.store import Store
from capforecast.schema import FLEET, Cadence, Reference

DAY = pd.Timestamp("2026-11-23", tz="UTC")


def test_a_partition_stands_where_the_design_says() -> None:
    assert unit_key("risks", Cadence.DAILY, DAY, "retail") == (
        "risks/cadence=daily/as_of=2026-11-23/business_unit=retail/part-0.parquet"
    )


def test_a_cut_off_within_a_day_has_its_own_partition() -> None:
    assert "as_of=2026-11-23T14/" in unit_key("risks", Cadence.HOURLY, DAY + pd.Timedelta(hours=14), "retail")


def test_an_unknown_dataset_is_refused() -> None:
    with pytest.raises(LakeError, match="no dataset is called 'risk'"):
        unit_key("risk", Cadence.DAILY, DAY, "retail")


@given(st.lists(st.text(max_size=300), min_size=2, max_size=6, unique=True))
def test_every_name_is_a_safe_segment_of_its_own(names: list[str]) -> None:
    try:
        segments = [unit_segment(name) for name in names]
    except UnicodeEncodeError:
        return  # lone surrogates are no text
    assert len(set(segments)) == len(names)
    for segment in segments:
        assert segment
        assert len(segment) < 200
        assert "/" not in segment
        assert segment.isascii()


@given(st.text(alphabet="aé_日&%", max_size=60))
def test_a_segment_is_percent_encoded_utf_8_wherever_it_was_cut(name: str) -> None:
    segment = unit_segment(name)
    text = unquote(segment, errors="strict")  # as url_decode, which fails on half a character
    assert "%" not in re.sub(r"%[0-9A-F]{2}", "", segment)
    assert text == name or name.startswith(text.partition("~")[0]) or (name, segment) == ("", "_empty")


def test_no_business_unit_can_pose_as_the_fleet() -> None:
    assert unit_segment(FLEET) == "_fleet"
    assert unit_segment("_fleet ") != "_fleet"
    assert unquote(unit_segment("_x")) == "_x"


def test_a_selection_of_units_never_collides_with_a_unit() -> None:
    assert selection_segment(["a", "b"]) != selection_segment(["a+b"])
    assert len(selection_segment([f"unit {i}" for i in range(100)])) < 250


def test_names_survive_the_file_system(tmp_path: Path) -> None:
    store = Store(tmp_path)
    frame = pd.DataFrame({"server_id": ["a"]})
    for name in ("R&D/ops", "50 %", "..", "Zürich", "x" * 300, "a=b"):
        reference = write_table(store, unit_key("risks", Cadence.DAILY, DAY, name), frame)
        assert read_frame(store, reference)["server_id"].tolist() == ["a"]
    assert len(store.keys("risks")) == 6


def test_the_same_table_gives_the_same_bytes() -> None:
    frame = pd.DataFrame(
        {
            "server_id": ["a", None],
            "timestamp": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True),
            "x": [1.5, None],
        }
    )
    assert to_parquet(table_of(frame)) == to_parquet(table_of(frame.copy()))
    assert str(table_of(frame).schema.field("timestamp").type) == "timestamp[us, tz=UTC]"


def test_json_does_not_depend_on_order() -> None:
    assert to_json({"b": 1, "a": 2}) == to_json({"a": 2, "b": 1})


@pytest.mark.parametrize("moment", ["2026-03-02", "2026-03-02T14:00"])
def test_the_cut_off_of_a_partition_is_read_from_its_key(moment: str) -> None:
    as_of = pd.Timestamp(moment, tz="UTC")
    key = unit_key("servers", Cadence.HOURLY, as_of, "retail & more")
    assert cut_off_of(Reference(uri=key, sha256="0" * 64, rows=1)) == as_of
    with pytest.raises(LakeError, match="no as_of"):
        cut_off_of(Reference(uri="raw/inventory/part-0.parquet", sha256="0" * 64, rows=1))
