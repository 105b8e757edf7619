"""Thousands of generated folders: none ends in anything but our errors, and every row is found again."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_files import check_seed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHECKS = list(HealthCheck)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "files"


@settings(max_examples=700, derandomize=True, deadline=None, suppress_health_check=CHECKS, database=None)
@given(seed=st.integers(0, 2**48))
def test_no_generated_file_is_more_than_the_reader_can_take(folder: Path, seed: int) -> None:
    check_seed(seed, folder)


def test_most_generated_files_are_read(folder: Path) -> None:
    counts = [check_seed(seed, folder) for seed in range(120)]
    made, read = (sum(count[place] for count in counts) for place in (0, 1))
    assert made > 300
    assert read > made / 5  # or the test above would see little but refusals
