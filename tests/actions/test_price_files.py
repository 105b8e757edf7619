"""Rate cards: the same prices in any order of columns and rows; what cannot be meant is refused by its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast.actions import price_files
from capforecast.actions.price_rows import Key
from capforecast.errors import ConfigError

HEAD = "# date: 2026-02-03\ninstance_type,region,hourly\n"
KEYS = st.tuples(
    st.from_regex(r"[a-z][a-z0-9]{0,4}\.[a-z0-9]{1,6}", fullmatch=True),
    st.sampled_from(["eu-west-1", "dc1", "*"]),
    st.sampled_from(["linux", "windows"]),
)
PRICED = st.dictionaries(KEYS, st.floats(1e-4, 1e4).map(lambda cost: float(f"{cost:.6g}")), min_size=1, max_size=8)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, text: str, name: str = "own.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def read(folder: Path, text: str, name: str = "own.csv") -> dict[Key, float]:
    return dict(price_files.read(written(folder, text, name), "USD").hourly)


@FEW
@given(priced=PRICED, data=st.data())
def test_a_card_reads_the_same_in_any_order_and_with_comments(
    tmp_path: Path, priced: dict, data: st.DataObject
) -> None:
    columns = data.draw(st.permutations(["instance_type", "region", "os", "hourly", "currency"]))
    lines = []
    for (name, region, system), cost in data.draw(st.permutations(list(priced.items()))):
        cells = {"instance_type": f" {name.upper()}", "region": region, "os": system, "hourly": repr(cost)}
        lines += [",".join((cells | {"currency": ""})[column] for column in columns)]
        lines += data.draw(st.sampled_from([[], ["# a note, with a comma"], ["", "  "]]))
    text = "\n".join(["# our card", "# Date: 2026-02-03", ",".join(columns), *lines, ""])
    expected = {Key(*key): cost for key, cost in priced.items()}
    assert read(tmp_path, text) == expected

    rows = [dict(zip(Key._fields, key, strict=True)) | {"hourly": cost} for key, cost in priced.items()]
    rows = [dict(data.draw(st.permutations(list(row.items())))) for row in rows]
    said = yaml.safe_dump({"prices": rows, "date": "2026-02-03"}, sort_keys=False)
    assert read(tmp_path, said, "own.yaml") == expected


@FEW
@given(priced=PRICED, data=st.data())
def test_a_row_that_stands_there_twice_is_refused_wherever(tmp_path: Path, priced: dict, data: st.DataObject) -> None:
    rows = [f"{name},{region},{system},{cost!r}" for (name, region, system), cost in priced.items()]
    again = data.draw(st.sampled_from(rows))
    rows.insert(data.draw(st.integers(0, len(rows))), again.upper())
    first, last = (at for at, row in enumerate(rows, 3) if row.lower() == again.lower())
    text = "# date: 2026-02-03\ninstance_type,region,os,hourly\n" + "\n".join(rows)
    with pytest.raises(ConfigError, match=rf"own.csv:{last}: .*twice in .*, first in line {first}; remove one row"):
        read(tmp_path, text)


@FEW
@given(
    text=st.one_of(
        st.sampled_from(
            ["", "0", "-0.1", "nan", "inf", "-inf", "1e400", "1_000", "0.1 USD", "$1", "0x1p3", "１", "1e7"]
        ),
        st.floats(max_value=0).map(repr),
    )
)
def test_what_is_no_price_is_refused_with_its_line_and_column(tmp_path: Path, text: str) -> None:
    message = rf"own\.\w+:\d: vm.s: hourly is {re.escape(repr(text))}; write a number above 0"
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, HEAD + f"vm.s,dc1,{text}\n")
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, f"date: 2026-02-03\nregion: dc1\nprices:\n  vm.s: {text!r}\n", "own.yaml")


@FEW
@given(noise=st.text(max_size=80), kind=st.sampled_from(["own.csv", "own.yaml", "own.json"]))
def test_any_text_is_read_or_refused_in_words_that_name_the_file(tmp_path: Path, noise: str, kind: str) -> None:
    refused = ""
    try:
        found = read(tmp_path, noise.encode("utf-8", "replace").decode(), kind)
    except ConfigError as error:
        found, refused = {}, str(error)
    assert bool(found) != (kind in refused)
    assert all(cost > 0 for cost in found.values())


def test_the_head_speaks_for_rows_that_say_nothing(tmp_path: Path) -> None:
    text = (
        "# source: contract 4711\n# date: 2026-02-03\n# currency: eur\n# region: DC1\n# os: Windows\n\n"
        "instance_type,hourly,region\n# os: linux\nvm.s,0.1,\nvm.s,0.2,dc2\n"
    )
    found = price_files.read(written(tmp_path, text), "EUR")
    assert (found.name, found.date, found.source, found.currency) == ("own.csv", "2026-02-03", "contract 4711", "EUR")
    assert found.hourly == {Key("vm.s", "dc1", "windows"): 0.1, Key("vm.s", "dc2", "windows"): 0.2}
    card = "date: 2026-02-03\nsource: contract 4711\ncurrency: EUR\nregion: DC1\nos: Windows\nprices: {vm.s: 0.1}\n"
    other = price_files.read(written(tmp_path, card, "own.yml"), "EUR")
    assert other.hourly == {Key("vm.s", "dc1", "windows"): 0.1}
    assert (other.date, other.source) == ("2026-02-03", "contract 4711")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instance_type,region,hourly\nvm.s,dc1,1\n", r"own.csv: no date of the prices; add one above them"),
        ("# date: May 2026\n" + HEAD.split("\n", 1)[1], r"own.csv: date is 'May 2026'; write yyyy-mm-dd"),
        ("# date: 2026-02-03\n# date: 2026-02-04\n", r"own.csv:2: date stands there twice"),
        (HEAD, r"own.csv: no price in it"),
        ("# date: 2026-02-03\n", r"own.csv is empty; it needs the header instance_type"),
        (HEAD + "vm.s,,1\n", r"own.csv:3: vm.s: no region; name it, or write \*"),
        (HEAD + ",dc1,1\n", r"own.csv:3: no instance_type; name it or remove the row"),
        (HEAD + "vm.s,dc1,0,12\n", r"own.csv:3: 4 cells where the header has 3"),
        (HEAD + "vm.s,dc1,-1\n", r"own.csv:3: vm.s: hourly is '-1'; write a number above 0, per hour"),
        (
            "# date: 2026-02-03\ninstance_type,hourly_price\n",
            r"own.csv:2: column 'hourly_price' is not known.*: hourly",
        ),
        ("# date: 2026-02-03\ninstance_type,region\n", r"own.csv:2: no column hourly"),
        (
            "# currency: EUR\n" + HEAD,
            r"own.csv: prices are in EUR, not in USD; give them in USD, set prices.currency",
        ),
        (HEAD[:-1] + ",currency\nvm.s,dc1,1,GBP\n", r"own.csv:3: vm.s: prices are in GBP, not in USD"),
        (HEAD + '"vm.s,dc1,1\n', r"own.csv:3: not a line of CSV"),
    ],
)
def test_a_broken_card_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"own.yaml is empty; it needs date, source"),
        ("- 1\n", r"own.yaml:1: write `key: value` here"),
        ("date: 2026-02-03\nprice: {}\n", r"own.yaml:2: 'price' is not known"),
        ("date: 2026-02-03\n", r"own.yaml: no list of rows or mapping under `prices`"),
        ("date: 2026-02-03\nprices: {}\n", r"own.yaml: no price in it"),
        ("date: [1]\n", r"own.yaml:1: date holds a list or mapping; write a single value"),
        ("date: 2026-02-03\nprices:\n- {instance_type: a, hourly: 1}\n", r"own.yaml:3: a: no region"),
        ("date: 2026-02-03\nprices:\n- {instance_type: a, hour: 1}\n", r"own.yaml:3: column 'hour' .*nearest: hourly"),
        ("date: 2026-02-03\nprices:\n- a\n", r"own.yaml:3: write `key: value` here"),
        ("date: 2026-02-03\nregion: dc\nprices:\n  a: 1\n  a: 2\n", r"own.yaml:5: a: priced twice in dc.*line 4"),
        ("date: 2026-02-03\nprices:\n  a: {b: 1}\n", r"own.yaml:3: a holds a list or mapping"),
        ("date: {2026\nprices: 1\n", r"own.yaml:2: not YAML"),
        ("[" * 5000, r"own.yaml: not YAML"),
    ],
)
def test_a_broken_yaml_card_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text, "own.yaml")


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    for name in ("gone.csv", "gone.yaml", "gone.json"):
        with pytest.raises(ConfigError, match=rf"cannot read the prices in .*{name}: No such file"):
            price_files.read(tmp_path / name, "USD")
    with pytest.raises(ConfigError, match=r"own.xlsx: prices are read from .csv, .yaml and .json"):
        read(tmp_path, "", "own.xlsx")
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        price_files.read(tmp_path / "odd.csv", "USD")
