"""Kernels compile wherever the program is installed, and are read from nobody else's folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest

from capforecast import kernel_cache

ROOT = Path(__file__).parents[1]
USE = """
import numpy as np
from capforecast.forecast.blocks import trailing_median
from capforecast.fleet.anomaly_kernels import _slide
_slide(np.ones(5), 3, 1, np.empty(5), np.empty(5))
print(trailing_median(np.arange(9.0)[:, None], 3)[-1, 0])
"""


def test_a_package_and_a_home_that_cannot_be_written_do_not_stop_the_engine(tmp_path):
    """As in a container with a read-only file system. `__pycache__` and the home are files, which stop root too."""
    shutil.copytree(ROOT / "capforecast", tmp_path / "capforecast", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [tmp_path / "capforecast", *(tmp_path / "capforecast" / room for room in ("fleet", "forecast"))]:
        (folder / "__pycache__").write_text("")
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.write_text("")
    temporary.mkdir()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", USE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "7.0\n", done.stderr
    (kept,) = temporary.iterdir()
    assert list(kept.rglob("*.nbc"))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Temporary files of our own, and a numba that finds no place."""

    def refuse(cache):
        raise RuntimeError("cannot cache function")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(numba, "njit", refuse)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return tmp_path / f"capforecast-kernels-{os.getuid()}"


def test_all_processes_of_a_user_share_the_folder(nowhere):
    for _ in range(2):
        kernel_cache.ensure()
        assert str(nowhere) == numba.config.CACHE_DIR
    assert nowhere.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["link", "open"])
def test_a_folder_that_others_could_have_filled_is_not_used(nowhere, trap):
    if trap == "link":
        nowhere.symlink_to(nowhere.parent, target_is_directory=True)
    else:
        nowhere.mkdir()
        nowhere.chmod(0o777)
    kernel_cache.ensure()
    assert numba.config.CACHE_DIR not in ("", str(nowhere))
    assert Path(numba.config.CACHE_DIR).stat().st_mode & 0o777 == 0o700
