"""The Prefect server that `capforecast setup` works on: which one is meant, does it answer, does it let us in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from capforecast.errors import CapforecastError, UsageError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


@contextmanager
def server() -> Iterator[SyncPrefectClient]:
    """A client of the server that PREFECT_API_URL names. Raises CapforecastError saying what to do."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL

    address = PREFECT_API_URL.value()
    if not address:
        raise UsageError(
            "which Prefect server is meant? Set PREFECT_API_URL, e.g. http://127.0.0.1:4200/api; one that a run starts "
            "for itself keeps no automations going"
        )
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/automations/count")
            yield client
    except PrefectHTTPStatusError as error:
        raise _refused(address, error.response.status_code) from None
    except httpx.HTTPError as error:
        raise CapforecastError(
            f"no answer from the Prefect server at {address} ({type(error).__name__}): start it, or mend "
            "PREFECT_API_URL"
        ) from None


def _refused(address: str, status: int) -> CapforecastError:
    from prefect.settings import PREFECT_API_AUTH_STRING

    if status == 401:
        given = PREFECT_API_AUTH_STRING.value() is not None
        why = "is not the server's" if given else "is not set"
        return UsageError(
            f"the Prefect server at {address} asks for a password and PREFECT_API_AUTH_STRING (user:password) {why}"
        )
    if status in (403, 404, 405):
        return UsageError(f"{address} answers, but not as a Prefect server: PREFECT_API_URL ends in /api as a rule")
    return CapforecastError(f"the Prefect server at {address} answers {status}; its log says why")
