"""Inventory files as people keep them."""

from __future__ import annotations

from pathlib import Path

import pytest

from capforecast.errors import InputError
from capforecast.settings import Settings
from capforecast.sources.inventories import read_inventory
from capforecast.sources.rejects import Rejects


def read(tmp_path: Path, text: str, **columns: str):  # type: ignore[no-untyped-def]
    (tmp_path / "i.csv").write_text(text)
    rejects = Rejects()
    settings = Settings.model_validate({"inventory": {"columns": columns}})
    return read_inventory(tmp_path / "i.csv", settings, rejects)[0], rejects.frame()


def test_foreign_columns_are_mapped_and_others_become_labels(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "host,team,vCPUs,rack\n007,x,4,9\n", host="server_id", team="business_unit")
    assert rows.to_dict("records") == [{"server_id": "007", "business_unit": "x", "vcpus": 4.0, "label_rack": "9"}]


def test_bad_cells_and_rows_are_on_record_and_the_rest_stays(tmp_path: Path) -> None:
    text = "server_id,vcpus,valid_from\na,four,\nb,-1,2024-01-01\n,2,\nc,2,someday\n"
    rows, refused = read(tmp_path, text)
    assert rows["server_id"].tolist() == ["a", "b"]
    assert rows["vcpus"].isna().all()
    assert rows["valid_from"].isna().tolist() == [True, False]
    assert refused[["row", "reason"]].values.tolist() == [
        [2, "not_a_number"], [3, "below_minimum"], [4, "empty_server_id"], [5, "unparseable_date"],
    ]  # fmt: skip


def test_contradicting_undated_rows_keep_the_last_and_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, refused = read(tmp_path, "server_id,business_unit\na,x\na,y\nb,z\nb,z\n")
    assert refused[["row", "server_id", "column", "value", "reason"]].values.tolist() == [
        [2, "a", "business_unit", "x", "inventory_conflict"]
    ]
    assert "server a" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x\na,1\n", r"no column 'server_id'.*\{name: server_id\}"),
        ("server_id\n", "no usable row"),
        ("", "is empty"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
    with pytest.raises(InputError, match="does not exist"):
        read_inventory(tmp_path / "no.csv", Settings(), Rejects())
