"""Blocks side by side in threads, each with one BLAS thread.

Blocks are small, and BLAS threads wait on each other for longer than they compute (measured on two busy cores: 45 s
with two threads, 7 s with one). One thread also keeps the sums' order fixed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from threadpoolctl import OpenBLASController, threadpool_limits

log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 15.0
_lock = threading.Lock()
_inside = 0
_limit: threadpool_limits | None = None


def one_thread(user_api: str | None = None) -> threadpool_limits:
    """Limit BLAS (and OpenMP, unless `user_api` says "blas") to one thread from now on, whichever thread asks.

    From 3.8 on, threadpoolctl leaves OpenBLAS to the first thread that has set a limit for as long as that thread
    lives, and what others ask for is ignored without a word: units in threads would compute with more threads, and so
    other last bits, now and then.
    """
    _take_control()
    return threadpool_limits(limits=1, user_api=user_api)


def _take_control() -> None:
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread for the block. The first to enter sets the limit, the last to leave lifts it, so that
    business units working side by side in threads do not lift each other's.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _limit = one_thread("blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limit is not None:
                _take_control()
                _limit.restore_original_limits()
                _limit = None


def in_threads(work: Callable[[Any], None], items: Sequence[Any], threads: int, what: str) -> None:
    """Do the work on every item, `threads` at a time (0 = as many as there are cores); say now and then how far it is.

    Nothing may depend on the order. The first exception ends it and is raised.
    """
    said = time.monotonic()
    with ThreadPoolExecutor(threads or _cores()) as pool:
        running = [pool.submit(work, item) for item in items]
        try:
            for done, future in enumerate(as_completed(running), start=1):
                future.result()
                if time.monotonic() - said > _PROGRESS_SECONDS:
                    said = time.monotonic()
                    log.info("%s: %d of %d blocks", what, done, len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
