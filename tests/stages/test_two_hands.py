"""Work shared with helping processes: all of it, once, whatever becomes of the helpers."""

from __future__ import annotations

import os
import time

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
