"""A small HTTP proxy that breaks what passes through it, by rule: error statuses, dropped, cut and delayed answers.

    with FaultProxy("http://127.0.0.1:9090") as proxy:
        proxy.rules.append(Rule("query_range", status=503, times=2))     # the next two, then no more
        proxy.rules.append(Rule("query_range", skip=5, drop=True))       # the sixth only
        ... ask proxy.url instead of the server ...
        assert proxy.faults == 3 and proxy.most_at_once <= 2

Rules are tried in order, the first that fits breaks the request; what no rule breaks goes through unchanged.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

_OF_THE_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "upgrade", "content-length"}


@dataclass
class Rule:
    """What happens to requests whose method, path, headers or body hold `where` (a regular expression, no case).

    skip: let that many pass first.  times: then break that many; None = all.  every: break only each n-th of them.
    status: answer with it, `headers` and `body`, and ask nobody.  drop: close the connection without an answer.
    cut: pass half of the true answer, then close.  delay: seconds to wait before anything else.
    """

    where: str = ""
    skip: int = 0
    times: int | None = 1
    every: int = 1
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False
    delay: float = 0.0
    fitted: int = 0
    broken: int = 0

    def takes(self, text: str) -> bool:
        """Does this request break now? Counts it."""
        if not re.search(self.where, text, re.IGNORECASE) or (self.times is not None and self.broken >= self.times):
            return False
        self.fitted += 1
        if self.fitted <= self.skip or (self.fitted - self.skip - 1) % self.every:
            return False
        self.broken += 1
        return True


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """All of it, as rules see it."""
        head = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.method} {self.path}\n{head}\n\n{self.body.decode('utf-8', 'replace')}"


class FaultProxy:
    """Listens on loopback while the `with` lasts.

    url: where to ask.  rules: may be changed at any time.  seen: all requests, in order of arrival.
    faults: requests that were broken.  most_at_once: most that were under way together.
    """

    def __init__(self, upstream: str, rules: list[Rule] | None = None) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.rules = list(rules or [])
        self.seen: list[Request] = []
        self.faults = self.most_at_once = self._under_way = 0
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, request: Request) -> Rule | None:
        """Note a request; the rule that breaks it, if any."""
        with self.lock:
            self.seen.append(request)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            rule = next((rule for rule in self.rules if rule.takes(request.text)), None)
            self.faults += rule is not None
            return rule

    def end(self) -> None:
        """A request is done with."""
        with self.lock:
            self._under_way -= 1

    def ask(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """What the server itself answers: status, headers, body."""
        connection = http.client.HTTPConnection(*self.upstream, timeout=120)
        try:
            kept = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_HOP}
            connection.request(request.method, request.path, request.body or None, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: FaultProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hung up did so on purpose: say nothing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_any(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, dict(self.headers.items()), body)
        rule = proxy.begin(request)
        try:
            self._answer(request, rule)
        finally:
            proxy.end()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def _answer(self, request: Request, rule: Rule | None) -> None:
        if rule and rule.delay:
            time.sleep(rule.delay)
        if rule and rule.drop:
            self._hang_up()
        elif rule and rule.status:
            self._send(rule.status, list(rule.headers.items()), rule.body)
        else:
            try:
                status, headers, body = self.server.proxy.ask(request)
            except OSError:
                self._hang_up()
                return
            self._send(status, headers, body, len(body) // 2 if rule and rule.cut else None)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, only: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OF_THE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:only])
        if only is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the screen of the tests."""
