"""The proxy that breaks requests: what no rule names passes, what one names breaks as often as it says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from fault_proxy import FaultProxy, Rule


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_rule_breaks_as_often_as_it_says_and_the_rest_passes(echo: str) -> None:
    rules = [
        Rule("metric=cpu", status=429, headers={"Retry-After": "1"}, skip=1, times=2),
        Rule("metric=mem", drop=True),
        Rule("metric=disk", cut=True),
    ]
    with FaultProxy(echo, rules) as proxy, httpx.Client(base_url=proxy.url) as client:
        answers = [client.post("/q", content=b"metric=cpu") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
        assert answers[1].headers["Retry-After"] == "1"
        assert answers[3].content == b"metric=cpu"
        for metric in (b"metric=mem", b"metric=disk"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.post("/q", content=metric)
            assert client.post("/q", content=metric).content == metric
        assert (proxy.faults, len(proxy.seen), proxy.most_at_once) == (4, 8, 1)
