"""How a container's end is told, and who works at a job."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from capforecast.errors import ConfigError, StageError, UsageError
from deployments.sagemaker import container


def raising(error: BaseException) -> str:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError("a key"), 2, "ConfigError: a key"),
        (ZeroDivisionError("by 0"), 1, "ZeroDivisionError: by 0 (test_sagemaker_container.py:"),
        (MemoryError(), 1, "MemoryError: "),
        (KeyboardInterrupt(), 1, "KeyboardInterrupt: "),
        (SystemExit(2), 1, "SystemExit: 2"),
    ],
)
def test_whatever_ends_a_job_leaves_its_reason(tmp_path: Path, error: BaseException, code: int, told: str) -> None:
    assert container.ended(lambda: raising(error), tmp_path / "output/failure") == code
    assert (tmp_path / "output/failure").read_text().startswith(told)


def test_success_is_told_where_a_file_is_named_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(logging.getLogger("capforecast").handlers)
    assert container.ended(lambda: "2 units", tmp_path / "failure", tmp_path / "message") == 0
    assert (tmp_path / "message").read_text() == "2 units"
    assert not (tmp_path / "failure").exists()
    assert "INFO capforecast.sagemaker: 2 units" in capsys.readouterr().out
    assert logging.getLogger("capforecast").handlers == before


@pytest.mark.parametrize("start", range(4))
def test_the_first_kilobyte_is_utf_8_whatever_its_characters(tmp_path: Path, start: int) -> None:
    text = "x" * start + "€" * 1000
    container.tell(tmp_path / "m", text)
    raw = (tmp_path / "m").read_bytes()
    assert text.startswith(raw[:1024].decode().rstrip(" "))
    assert len(raw[:1024].decode().rstrip(" ").encode()) > 1020
    assert raw.decode().replace(" ", "") == text


def test_a_file_that_cannot_be_written_hides_no_exit_code(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    assert container.ended(lambda: raising(StageError("lost")), tmp_path / "output/failure") == 1


def test_instances_of_a_job(tmp_path: Path) -> None:
    assert container.cluster_of(tmp_path).hosts == ("algo-1",)
    file = tmp_path / "resourceconfig.json"
    file.write_text(json.dumps({"current_host": "algo-2", "hosts": ["algo-2", "algo-1"]}))
    assert container.cluster_of(tmp_path) == container.Cluster("algo-2", ("algo-1", "algo-2"))
    for wrong in ('{"hosts": []}', "{", "[]", '{"current_host": "../x", "hosts": ["../x"]}'):
        file.write_text(wrong)
        with pytest.raises(UsageError, match=r"resourceconfig\.json"):
            container.cluster_of(tmp_path)
