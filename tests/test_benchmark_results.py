"""Benchmarks write their own section of RESULTS.md and leave the others alone."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[1] / "benchmarks/results.py"


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("results", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "results", module)
    spec.loader.exec_module(module)
    return module


def test_a_section_is_added_then_replaced_and_the_rest_stays(results: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text("# Results\n\nBy hand.\n")
    results.write_section("one", "first \\1", page)
    results.write_section("two", "second", page)
    results.write_section("one", "third", page)
    assert page.read_text() == (
        "# Results\n\nBy hand.\n\n<!-- begin one -->\nthird\n<!-- end one -->\n\n"
        "<!-- begin two -->\nsecond\n<!-- end two -->\n"
    )
    page.write_text("<!-- begin one -->\nno end")
    with pytest.raises(SystemExit, match="does not end"):
        results.write_section("one", "x", page)


def test_the_cost_of_a_command_is_its_own(results: ModuleType) -> None:
    small = results.measure([sys.executable, "-c", "pass"])
    large = results.measure([sys.executable, "-c", "x = bytearray(300_000_000); sum(range(3_000_000))"])
    assert large.peak > small.peak + 0.2
    assert large.cpu > small.cpu
    assert small.wall > 0
    with pytest.raises(SystemExit, match="boom"):
        results.measure([sys.executable, "-c", "raise ValueError('boom')"])
