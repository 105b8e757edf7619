"""The BLAS limit holds while anybody is inside and is lifted afterwards."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from capforecast.forecast.threads import in_threads, one_blas_thread, one_thread


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_nested_users_share_one_limit() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            with one_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_the_limit_holds_in_whichever_thread_is_first_while_an_earlier_one_lives() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        pass  # this thread has set a limit, and lives on
    with ThreadPoolExecutor(1) as other, ThreadPoolExecutor(1) as third:

        def inside() -> set[int]:
            with one_blas_thread():
                return blas_threads()

        assert [pool.submit(inside).result() for pool in (other, third, other)] == [{1}] * 3
        assert inside() == {1}
        with one_thread():
            assert blas_threads() == {1}


def test_the_first_failure_ends_the_work_and_is_raised():
    done = []

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("no")
        done.append(item)

    with pytest.raises(ValueError, match="no"):
        in_threads(work, range(1000), 2, "test")
    assert len(done) < 1000
