"""Small CSV files are read line by line, and every row knows its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from capforecast.errors import ConfigError
from capforecast.fleet import commented_csv
from capforecast.fleet.commented_csv import Layout

LAYOUT = Layout(("name", "size"), ("name",), "sizes", "inventory.sizes")


def test_rows_come_with_their_lines_and_without_comments(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_bytes(b'\xef\xbb\xbf# note\r\n\r\nsize, name\r\n 1 ,"a, b"\r\n#c,d\r\n2,c')
    assert list(commented_csv.rows(file, LAYOUT)) == [
        (4, {"size": "1", "name": "a, b"}),
        (6, {"size": "2", "name": "c"}),
    ]


def test_the_first_rows_are_there_before_a_fault_further_down(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("name,size\na,1\nb\n", encoding="utf-8")
    rows = commented_csv.rows(file, LAYOUT)
    assert next(rows) == (2, {"name": "a", "size": "1"})
    with pytest.raises(ConfigError, match=r"own.csv:3: 1 cells where the header has 2"):
        next(rows)


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot read the sizes in .*gone.csv: No such file.*setting inventory.sizes"
    ):
        list(commented_csv.rows(tmp_path / "gone.csv", LAYOUT))
