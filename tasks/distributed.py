"""Blocks of series on a Dask cluster: processes of this machine, or the workers of a scheduler somewhere.

prefect-dask starts the cluster and connects to it. Stages stay where they are, with their cache and transactions; what
is sent are functions of the library and plain data (docs/decisions/0023). Results are those of threads, bit for bit.
"""

from __future__ import annotations

import atexit
import logging
import platform
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

from capforecast.errors import ConfigError, ExecutorError, VersionError
from capforecast.fingerprint import code_fingerprint
from capforecast.forecast.executor import Threads, computing_with
from capforecast.forecast.threads import one_blas_thread
from capforecast.settings import FlowSettings

log = logging.getLogger("capforecast.dask")
T = TypeVar("T")
R = TypeVar("R")

_ANSWER_SECONDS = 20.0  # for a scheduler to answer
_START_SECONDS = 90.0  # for the first worker to come
_WITHOUT_WORKER_SECONDS = 20.0  # before a run gives up
_LOOK_SECONDS = 2.0
_SAY_SECONDS = 15.0
_DECIDE = ("numpy", "scipy", "numba", "pandas")  # packages whose version may change a result
_WAITING = 2  # blocks sent to a worker beyond the one it computes, so that it never waits for the next

_lock = threading.Lock()
_clusters: dict[tuple[str | None, int], Any] = {}  # DaskTaskRunner by address and workers


def computing(settings: FlowSettings) -> AbstractContextManager[None]:
    """Where blocks are computed by these settings: enter it around a stage.

    The cluster is started when the first blocks are to be computed, once per process, and closed with it or by `close`.
    """
    return computing_with(Dask(settings)) if settings.task_runner == "dask" else nullcontext()


def client_for(settings: FlowSettings) -> Any:
    """This process's client of the cluster the settings name.

    Raises:
        ConfigError: the extra `dask` is not installed.
        ExecutorError: no cluster starts, or the scheduler does not answer.
    """
    key = (settings.dask_address, 0 if settings.dask_address else settings.dask_workers)
    with _lock:
        runner = _clusters.get(key)
        if runner is not None and (runner.client.status != "running" or not _blocks_at_a_time(runner.client)):
            log.warning("the Dask cluster is lost; connecting anew")
            _end(_clusters.pop(key))
            runner = None
        if runner is None:
            runner = _clusters[key] = _begun(settings)
        return runner.client


def close() -> None:
    """End the clusters and connections of this process."""
    with _lock:
        while _clusters:
            _end(_clusters.popitem()[1])


atexit.register(close)


def _end(runner: Any) -> None:
    try:
        runner.__exit__(None, None, None)
    except Exception:
        log.debug("closing the Dask cluster", exc_info=True)  # it may be gone already


def _begun(settings: FlowSettings) -> Any:
    """A task runner of prefect-dask whose cluster has a worker."""
    try:
        from prefect_dask import DaskTaskRunner
    except ImportError as error:
        raise ConfigError(
            'flow.task_runner is "dask", but prefect-dask is not installed: pip install "capforecast[dask]", '
            'or set flow.task_runner to "threads"'
        ) from error
    address, began = settings.dask_address, time.monotonic()
    where = f"the Dask scheduler at {address}" if address else "a Dask cluster on this machine"
    place = {"address": address} if address else {"cluster_kwargs": _local(settings.dask_workers)}
    runner = DaskTaskRunner(**place, client_kwargs={"timeout": _ANSWER_SECONDS, "name": "capforecast"})
    runner.__enter__()
    try:
        runner.client.wait_for_workers(1 if address else settings.dask_workers, timeout=_START_SECONDS)
    except Exception as error:
        _end(runner)
        raise ExecutorError(
            f"{where} does not answer, or has no workers ({type(error).__name__}: {error}); see that scheduler and "
            'workers run and can be reached (flow.dask_address), or set flow.task_runner to "threads"'
        ) from error
    log.info("%s: %d workers, %.1f s", where, len(_blocks_at_a_time(runner.client)), time.monotonic() - began)
    return runner


def _local(workers: int) -> dict[str, Any]:
    """Processes of this machine that only this process can reach, one block at a time each; one that dies is replaced.

    TLS with keys of its own: whoever can talk to a scheduler can run code on its workers. A block that ends four of
    them (Dask's default) is given up, so that none are started for ever.
    """
    nowhere_else = "127.0.0.1:0"
    return {
        "n_workers": workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1", "security": True,
        "dashboard_address": nowhere_else, "worker_dashboard_address": nowhere_else,
        "scheduler_kwargs": {"dashboard": False}, "memory_limit": 0, "silence_logs": logging.ERROR,
    }  # fmt: skip


def _blocks_at_a_time(client: Any) -> dict[str, int]:
    """Blocks at a time by worker."""
    try:
        known: dict[str, int] = client.nthreads()
    except Exception:
        return {}
    return known


class Dask:
    """Computes blocks on the workers of a cluster. One for each stage: what it sent goes when it goes."""

    def __init__(self, settings: FlowSettings) -> None:
        self._settings = settings
        self._client: Any = None  # from the first blocks on
        self._sent: dict[int, tuple[Any, Any]] = {}  # id -> the object, which keeps its id, and where it is

    def run(
        self, work: Callable[..., R], shared: tuple[Any, ...], items: Sequence[T], put: Callable[[T, R], None],
        threads: int, what: str, *, stay: bool = False,
    ) -> None:  # fmt: skip
        """See `capforecast.forecast.executor.in_blocks`; what a dead worker had is computed again by another.

        A single block is computed here.

        Raises:
            ConfigError, ExecutorError: as `client_for`; no worker is left, or a block has ended several of them.
            VersionError: a worker has other code.
        """
        if len(items) < 2:
            return Threads().run(work, shared, items, put, threads, what)
        self._client = self._client or client_for(self._settings)
        running: dict[Any, T] = {}
        try:
            self._run(work, shared, items, put, what, stay, running)
        except BaseException as error:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel(list(running), force=True)
            reason = _lost(error)
            if reason is None:
                raise
            raise ExecutorError(
                f"{what}: {reason}; their last words are in this run's error output or, on other machines, in the logs "
                "of the Dask workers. Out of memory? Fewer flow.dask_workers or smaller forecast.block_size take less"
            ) from error

    def _run(
        self, work: Callable[..., R], shared: tuple[Any, ...], items: Sequence[T], put: Callable[[T, R], None],
        what: str, stay: bool, running: dict[Any, T],
    ) -> None:  # fmt: skip
        workers = sorted(_blocks_at_a_time(self._client).items())
        at_once = sum(count for _, count in workers) + _WAITING * len(workers)
        given = (versions(), work, *self._broadcast(shared))
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ended, said, seen = 0, time.monotonic(), time.monotonic()
        for number, item in enumerate(items):
            pinned = {"workers": [workers[number % len(workers)][0]], "allow_other_workers": True} if stay else {}
            future = self._client.submit(remotely, *given, item, pure=False, **pinned)
            running[future] = item
            future.add_done_callback(done.put)
            del future
            while running and (len(running) >= max(at_once, 1) or number == len(items) - 1):
                try:
                    finished = done.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    seen = self._seen(seen)
                    continue
                put(running.pop(finished), finished.result())
                finished.release()
                ended, seen = ended + 1, time.monotonic()
                if time.monotonic() - said > _SAY_SECONDS:
                    said = time.monotonic()
                    log.info("%s: %d of %d blocks", what, ended, len(items))

    def _seen(self, before: float) -> float:
        """When a worker was last there."""
        if _blocks_at_a_time(self._client):
            return time.monotonic()
        if time.monotonic() - before > _WITHOUT_WORKER_SECONDS:
            raise NoWorkerError
        return before

    def _broadcast(self, shared: tuple[Any, ...]) -> list[Any]:
        """Each object at all workers; those of earlier calls that this one does not share go."""
        self._sent = {key: self._sent[key] for key in map(id, shared) if key in self._sent}
        for part in shared:
            if id(part) not in self._sent:
                self._sent[id(part)] = part, self._client.scatter([part], broadcast=True, hash=False)[0]
        return [self._sent[id(part)][1] for part in shared]


def remotely(made_with: str, work: Callable[..., R], *arguments: Any) -> R:
    """What another process does with an item: the work, with one BLAS thread, if its code is that of `made_with`.

    Raises:
        VersionError: this process would compute with other code than the one that asks.
    """
    own = versions()
    if own != made_with:
        raise VersionError(
            f"a worker on {platform.node()} computes with {own}, but this run with {made_with}; "
            "install the same versions on all machines"
        )
    with one_blas_thread():
        return work(*arguments)


@cache
def versions() -> str:
    """Everything whose version may change a result, as one line."""
    packages = [f"{name} {metadata.version(name)}" for name in _DECIDE]
    python = platform.python_version()
    return f"capforecast {code_fingerprint()[:12]}, Python {python} on {platform.machine()}, {', '.join(packages)}"


class NoWorkerError(Exception):
    """All workers are gone."""


def _lost(error: BaseException) -> str | None:
    """What became of the cluster, if that is what the error says; None = it is the work's own."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    if isinstance(error, KilledWorker):
        return f"a block ended several workers of the Dask cluster ({error})"
    if isinstance(error, NoWorkerError):
        return "all workers of the Dask cluster died"
    if isinstance(error, CancelledError | CommClosedError):
        return f"the Dask cluster was lost ({type(error).__name__})"
    return None
