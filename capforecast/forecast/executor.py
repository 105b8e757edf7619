"""Where blocks of series are computed: in threads of this process, unless another executor has been entered.

An executor is anything that does `work(*shared, item)` for every item, somewhere, and brings the results back; this
module knows no cluster. Work is a function of a module, shared and items are plain data, so that both can be sent to
other processes. Results must depend neither on where work is done nor on its order: who puts them together must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from capforecast.forecast.threads import in_threads

T = TypeVar("T")
R = TypeVar("R")


class Executor(Protocol):
    """Something that computes blocks."""

    def run(
        self, work: Callable[..., R], shared: tuple[Any, ...], items: Sequence[T], put: Callable[[T, R], None],
        threads: int, what: str, *, stay: bool = False,
    ) -> None:  # fmt: skip
        """See `in_blocks`."""


class Threads:
    """Threads of this process; nothing is copied."""

    def run(
        self, work: Callable[..., R], shared: tuple[Any, ...], items: Sequence[T], put: Callable[[T, R], None],
        threads: int, what: str, *, stay: bool = False,
    ) -> None:  # fmt: skip
        """See `in_blocks`."""

        def one(item: T) -> None:
            put(item, work(*shared, item))

        in_threads(one, items, threads, what)


_executor: ContextVar[Executor] = ContextVar("executor", default=Threads())  # noqa: B039  (it has no state)


@contextmanager
def computing_with(executor: Executor) -> Iterator[None]:
    """Blocks that this thread asks for inside are computed by `executor`."""
    before = _executor.set(executor)
    try:
        yield
    finally:
        _executor.reset(before)


def in_blocks(
    work: Callable[..., R], shared: tuple[Any, ...], items: Sequence[T], put: Callable[[T, R], None],
    threads: int, what: str, *, stay: bool = False,
) -> None:  # fmt: skip
    """Do `work(*shared, item)` for every item and hand item and result to `put`, in any order.

    shared: handed to each process once, and kept there for as long as calls share it (the same objects). Work may keep
    what it likes in them for later work in that process, but must do without.
    put: called in this process, possibly by several threads at once.
    threads: blocks at a time in this process, 0 = one per core; a cluster has its own number.
    stay: compute item i where item i of the last such call was, if that process is still there.

    The first exception ends it and is raised.
    """
    _executor.get().run(work, shared, items, put, threads, what, stay=stay)
