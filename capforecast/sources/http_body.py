"""Answers taken whole, within a time and a size: a server that drips or pours must not hold an ingest or its memory."""

from __future__ import annotations

import time
from typing import Any

import httpx

MOST_BYTES = 256 << 20  # of an answer; half a million values are 12 MB
_KEPT = ("retry-after", "location", "content-type")


class TooLargeError(Exception):
    """The answer is larger than is taken."""


def whole(client: httpx.Client, method: str, url: str, *, seconds: float, **given: Any) -> httpx.Response:
    """The answer to one request, read to its end.

    Raises httpx.ReadTimeout where that takes longer than `seconds`, however steadily it comes, TooLargeError where it
    is larger than MOST_BYTES, and what httpx raises.
    """
    end, size, parts = time.monotonic() + seconds, 0, list[bytes]()
    with client.stream(method, url, **given) as answer:
        for part in answer.iter_bytes():
            size += len(part)
            if size > MOST_BYTES:
                raise TooLargeError
            if time.monotonic() > end:
                raise httpx.ReadTimeout("the answer did not end", request=answer.request)
            parts.append(part)
        kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
        return httpx.Response(answer.status_code, headers=kept, content=b"".join(parts), request=answer.request)
