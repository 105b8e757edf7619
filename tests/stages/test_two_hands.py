"""Work shared with helping processes: all of it, once, whatever becomes of the helpers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capforecast.stages import two_hands
from capforecast.stages.two_hands import shared


def square(number: int) -> tuple[int, int]:
    """Its square, and which process took it."""
    time.sleep(0.2)  # a helper takes a second to start: long enough for it to have its share
    return number * number, os.getpid()


def die_elsewhere(number: int, here: int) -> int:
    """Kill the process, unless it is the one that shares out."""
    if os.getpid() != here:
        os._exit(3)
    time.sleep(0.2)
    return number


def fail_at_last(number: int) -> int:
    """Fail at the job that a helper takes first."""
    if number == 9:
        raise ValueError("job 9 cannot be done")
    return number


def tell_and_sleep(folder: str) -> None:
    """Say which process this is, then take long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(1)


def test_a_helper_ends_when_the_process_it_helps_is_killed(tmp_path: Path) -> None:
    code = (
        "from test_two_hands import tell_and_sleep\nfrom capforecast.stages.two_hands import shared\n"
        f"list(shared(60, lambda number: ({str(tmp_path)!r},), tell_and_sleep, 2))"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    parent = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths})
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        parent.kill()
        parent.wait()
    (helper,) = {int(path.name) for path in tmp_path.iterdir()} - {parent.pid}
    try:
        until(lambda: not runs(helper))
    finally:
        if runs(helper):
            os.kill(helper, signal.SIGKILL)


def until(true: Callable[[], bool]) -> None:
    """Wait for it, half a minute at most."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def runs(process: int) -> bool:
    """Is it there, and no zombie?"""
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rsplit(") ", 1)[1][0] not in "ZX"


def test_everything_is_done_once_and_a_helper_has_its_share() -> None:
    given = []

    def ask(number: int) -> tuple[int]:
        given.append(number)
        return (number,)

    made = dict(shared(16, ask, square, 2))
    assert {number: value for number, (value, _) in made.items()} == {number: number**2 for number in range(16)}
    assert sorted(given) == list(range(16))
    assert made[0][1] == os.getpid()
    assert len({process for _, process in made.values()}) == 2


def test_what_a_helper_that_died_had_is_done_here(caplog: pytest.LogCaptureFixture) -> None:
    made = dict(shared(12, lambda number: (number, os.getpid()), die_elsewhere, 2))
    assert made == {number: number for number in range(12)}
    assert "a process that helped has died; its work is done here" in caplog.text


def test_an_error_is_that_of_the_work_wherever_it_was_done() -> None:
    with pytest.raises(ValueError, match="job 9 cannot be done"):
        list(shared(10, lambda number: (number,), fail_at_last, 2))


def test_one_process_few_jobs_or_no_shared_memory_are_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise OSError("no /dev/shm")

    monkeypatch.setattr(two_hands, "ProcessPoolExecutor", nowhere)
    for count, processes in ((3, 1), (2, 8), (6, 2), (0, 2)):
        assert dict(shared(count, lambda number: (number, os.getpid()), die_elsewhere, processes)) == {
            number: number for number in range(count)
        }
