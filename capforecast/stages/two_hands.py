"""Work that Python does on one core at a time, shared with processes of this machine: drawing many reports."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
_AHEAD = 2  # jobs handed to each helper: the one at work, and the next


def shared(
    count: int, given: Callable[[int], tuple[Any, ...]], work: Callable[..., T], processes: int
) -> Iterator[tuple[int, T]]:
    """`work(*given(number))` of jobs 0 .. count-1 with their numbers, as they are done; this process takes the first.

    work: a function of a module; it, what it is given and what it returns cross to other processes.  given: is called
    here, shortly before the work.  processes: this one and its helpers; few jobs, or a machine where no helper can be
    started, are done here alone. Raises what `work` raises.
    """
    left = deque(range(count))
    active: dict[Future[T], int] = {}
    helpers = min(processes, count // 2) - 1
    with _pool(helpers) as pool:
        while left or active:
            while pool is not None and len(left) > 1 and len(active) < _AHEAD * helpers:
                number = left.pop()
                try:
                    active[pool.submit(work, *given(number))] = number
                except BrokenProcessPool:
                    left.append(number)
                    pool = None
            if left:
                number = left.popleft()
                yield number, work(*given(number))
            done = {each for each in active if each.done()} if left else wait(active, return_when=FIRST_COMPLETED)[0]
            for future in done:
                number = active.pop(future)
                try:
                    yield number, future.result()
                except BrokenProcessPool:
                    if pool is not None:
                        log.warning("a process that helped has died; its work is done here")
                    pool = None
                    left.append(number)


@contextmanager
def _pool(helpers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Helpers, started anew and not forked: a fork would copy other threads' locks; None where there can be none."""
    if helpers < 1 or multiprocessing.current_process().daemon:
        yield None
        return
    try:
        pool = ProcessPoolExecutor(helpers, mp_context=multiprocessing.get_context("spawn"), initializer=_help)
    except OSError as error:  # no shared memory, as in a Lambda function
        log.info("no process can help here (%s)", error)
        yield None
        return
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _help() -> None:
    """Begin a helper. Ctrl-C is for who shares out, and a helper ends with that process: it would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
