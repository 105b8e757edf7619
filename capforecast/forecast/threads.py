"""One BLAS thread while the engine works: its blocks are small, and BLAS threads wait on each other for longer than
they compute (measured on two busy cores: 45 s with two threads, 7 s with one). It also keeps the sums' order fixed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_inside = 0
_limit: threadpool_limits | None = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread for the block. The first to enter sets the limit, the last to leave lifts it, so that
    business units working side by side in threads do not lift each other's.
    """
    global _inside, _limit
    with _lock:
        if _inside == 0:
            _limit = threadpool_limits(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limit is not None:
                _limit.restore_original_limits()
                _limit = None
