"""A small stand-in for Prometheus' HTTP API: values by rule, and whatever odd answer a test wants."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any, dict[str, str]]  # status, body (JSON unless bytes), headers
Odd = Callable[[str, dict[str, str]], Answer | None]


def error(status: int, kind: str, text: str, **headers: str) -> Answer:
    """An error as Prometheus words it."""
    return status, {"status": "error", "errorType": kind, "error": text}, headers


def instances(query: str, known: list[str]) -> list[str]:
    """Which of the known instances the matchers of a query let through."""
    found = re.search(r'instance(=~?)"((?:[^"\\]|\\.)*)"', query)
    if not found:
        return known
    text = json.loads(f'"{found[2]}"')
    return [name for name in known if (re.fullmatch(text, name) if found[1] == "=~" else name == text)]


@dataclass
class FakePrometheus:
    """instances: who is there.  value: (metric's place in the query, instance, seconds) -> text, None = no sample.

    odd: asked first, in order; the first that answers is it.  asked: (path, parameters) of all questions.
    """

    instances: list[str] = field(default_factory=lambda: ["a:9100", "b:9100", "c:9100"])
    value: Callable[[str, str, float], str | None] = lambda query, instance, at: "42"
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    odd: list[Odd] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, given: dict[str, str]) -> Answer:
        """What is answered to one question."""
        for odd in self.odd:
            if (told := odd(path, given)) is not None:
                return told
        if path.endswith("/series"):
            there = instances(given["match[]"], self.instances)
            return self.good([self.about(name) for name in there])
        if path.endswith("/query"):
            there = instances(given["query"], self.instances)
            return self.good({"resultType": "vector", "result": [
                {"metric": self.about(name), "value": [float(given.get("time", 0)), "1"]}
                for name in there]})  # fmt: skip
        if path.endswith("/query_range"):
            return self.good({"resultType": "matrix", "result": self.matrix(given)})
        return 404, b"page not found", {}

    def matrix(self, given: dict[str, str]) -> list[dict[str, Any]]:
        """Series of a range query."""
        start, end, step = (float(given[name]) for name in ("start", "end", "step"))
        times = [start + number * step for number in range(int((end - start) / step) + 1)]
        made = []
        for name in instances(given["query"], self.instances):
            pairs = [(at, self.value(given["query"], name, at)) for at in times]
            if kept := [[at, text] for at, text in pairs if text is not None]:
                made.append({"metric": {"instance": name}, "values": kept})
        return made

    def about(self, name: str) -> dict[str, str]:
        """Labels of one instance's target."""
        return {"instance": name, "job": "node", **self.labels.get(name, {})}

    def good(self, data: Any, **more: Any) -> Answer:
        """An answer that all is well."""
        return 200, {"status": "success", "data": data, **more}, {}

    def queries(self) -> list[str]:
        """PromQL of all range queries of metrics, in order."""
        return [given["query"] for path, given in self.asked if path.endswith("/query_range") and "2^30" not in
                given["query"] and "count by" not in given["query"]]  # fmt: skip


@contextmanager
def serving(fake: FakePrometheus) -> Iterator[FakePrometheus]:
    """The fake on loopback while the `with` lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            given = {name: values[0] for name, values in parse_qs(body or parts.query).items()}
            fake.asked.append((parts.path, given))
            fake.headers.append(dict(self.headers.items()))
            status, content, headers = fake.answer(parts.path, given)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *about: None  # type: ignore[method-assign]  # who asked did not wait for the answer
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
