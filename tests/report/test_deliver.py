"""Messages sent to a web server and a mail server of the tests' own, on this machine."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from capforecast.report.deliver import DeliveryError, Login, patiently, post, send_mail
from capforecast.settings import DeliverySettings


class Web:
    """A web server that answers as told, and keeps what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.seen = list(answers), []  # type: ignore[var-annotated]
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, json.loads(body)))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.send_header("Location", f"{outer.url}/elsewhere")
                self.end_headers()
                self.wfile.write(b"no_service" + (self.path.encode() if "echoed" in self.path else b""))

            do_GET = do_POST

            def log_message(self, format: str, *given: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def web(*answers: int) -> Iterator[Web]:
    made = Web(*answers)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def mail_server(*, refuse: str = "", greeting: str = "220 test", offers: str = "") -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server for one e-mail, and the lines it was sent. Refuses an address that holds `refuse`."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    lines: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(f"{text}\r\n".encode())
                stream.flush()

            say(greeting)
            data = False
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                lines.append(line)
                if data:
                    if line == ".":
                        data = False
                        say("250 taken")
                    continue
                word = line.split(" ")[0].upper()
                data = word == "DATA"
                refused = word == "RCPT" and refuse and refuse in line
                known = {"EHLO": f"250-test\r\n250 {offers or 'HELP'}", "DATA": "354 go on", "QUIT": "221 bye",
                         "AUTH": "535 wrong password"}  # fmt: skip
                say("550 nobody here" if refused else known.get(word, "250 fine"))
                if word == "QUIT":
                    return

    def serve_quietly() -> None:
        with suppress(OSError):  # who was spoken to has gone
            serve()

    thread = threading.Thread(target=serve_quietly)
    thread.start()
    try:
        yield listener.getsockname()[1], lines
    finally:
        thread.join(10)
        listener.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def settings(port: int, **changes: Any) -> DeliverySettings:
    usual = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "smtp_from": "us@example.com",
             "smtp_to": ("a@example.com", "b@example.com"), "timeout_seconds": 5}  # fmt: skip
    return DeliverySettings.model_validate(usual | changes)


def letter() -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Bericht für März", "us@example.com", "a@example.com, b@example.com"
    mail.set_content("text")
    mail.add_alternative("<p>text</p>", subtype="html")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="capacity-report.pdf")
    return mail


def test_a_webhook_gets_the_message_as_json() -> None:
    with web() as server:
        post(f"{server.url}/hook", {"text": "Größe"}, 5)
    assert server.seen == [("/hook", {"text": "Größe"})]


def test_a_webhook_that_refuses_is_quoted_but_not_named() -> None:
    with web(404) as server, pytest.raises(DeliveryError, match=r"404 Not Found \(no_service\)") as failed:
        post(f"{server.url}/secret", {}, 5)
    assert not failed.value.passing
    assert "secret" not in str(failed.value)


def test_a_webhook_that_repeats_its_address_gives_no_secret_away() -> None:
    with web(404) as server, pytest.raises(DeliveryError, match="no_service") as failed:
        post(f"{server.url}/{'x' * 300}/echoed-T0KEN?sig=S3CR3T%2B", {}, 5)
    assert "T0KEN" not in str(failed.value)
    assert "S3CR3T" not in str(failed.value)
    assert len(str(failed.value)) < 300


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"HTTP/1.1 500 Down\r\nContent-Length: 99\r\n\r\nhalf", "answered 500 Down"), (b"220 mail\r\n", "BadStatusLine")],
)
def test_an_answer_that_stops_halfway_or_is_no_http_may_pass(answer: bytes, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def once() -> None:
            peer, _ = listening.accept()
            peer.recv(65_536)
            peer.sendall(answer)
            done.wait(5)
            peer.close()

        done = threading.Event()
        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(DeliveryError, match=said) as failed:
            post(f"http://127.0.0.1:{listening.getsockname()[1]}/hook", {}, 0.3)
        done.set()
        thread.join()
    assert failed.value.passing


def test_nothing_is_sent_where_a_webhook_redirects_to() -> None:
    with web(302) as server, pytest.raises(DeliveryError, match="302"):
        post(f"{server.url}/hook", {}, 5)
    assert [path for path, _ in server.seen] == ["/hook"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example.com/secret", "http://", "http://[::1/secret"])
def test_an_address_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(DeliveryError, match="none that begins with https") as failed:
        post(url, {}, 5)
    assert "secret" not in str(failed.value)


def test_nobody_at_the_address_may_pass() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeliveryError, match="cannot be reached") as failed:
        post(f"http://127.0.0.1:{port}/secret", {}, 2)
    assert failed.value.passing
    assert "secret" not in str(failed.value)


def test_what_may_pass_is_tried_again_and_what_may_not_is_not() -> None:
    waited: list[float] = []
    with web(503, 429) as server:
        patiently(lambda: post(server.url, {}, 5), 2, waited.append)
    assert (len(server.seen), waited) == (3, [1.0, 2.0])
    with web(503, 503) as server, pytest.raises(DeliveryError, match="503"):
        patiently(lambda: post(server.url, {}, 5), 1, waited.append)
    with web(400) as server, pytest.raises(DeliveryError, match="400"):
        patiently(lambda: post(server.url, {}, 5), 2, waited.append)
    assert len(server.seen) == 1


def test_an_email_arrives_with_text_html_and_pdf() -> None:
    with mail_server() as (port, lines):
        send_mail(settings(port), Login(), letter())
    assert {line for line in lines if line.startswith("rcpt")} == {"rcpt TO:<a@example.com>", "rcpt TO:<b@example.com>"}
    start = lines.index("data") + 1
    mail = message_from_bytes("\r\n".join(lines[start : lines.index(".")]).encode())
    kinds = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "application/pdf"]
    assert mail["Date"]
    assert mail["Message-ID"].endswith("@example.com>")


def test_a_refused_address_is_named_and_not_tried_again() -> None:
    with mail_server(refuse="b@") as (port, _), pytest.raises(DeliveryError, match=r"refused b@example\.com") as failed:
        send_mail(settings(port), Login(), letter())
    assert not failed.value.passing


@pytest.mark.parametrize(
    ("server", "more", "words", "passing"),
    [
        ({"greeting": "421 too busy"}, {}, "421 too busy", True),
        ({"greeting": "554 go away"}, {}, "554 go away", False),
        ({}, {"smtp_security": "starttls"}, "`delivery.smtp_security`", False),
        ({}, {"smtp_security": "tls"}, "no secure connection", False),
    ],
)
def test_what_a_mail_server_objects_to_is_said(
    server: dict[str, Any], more: dict[str, Any], words: str, passing: bool
) -> None:
    with mail_server(**server) as (port, _), pytest.raises(DeliveryError) as failed:
        send_mail(settings(port, **more), Login(), letter())
    assert words in str(failed.value)
    assert f"127.0.0.1:{port}" in str(failed.value)
    assert failed.value.passing == passing


def test_a_wrong_password_is_not_repeated() -> None:
    with mail_server(offers="AUTH PLAIN") as (port, _), pytest.raises(DeliveryError, match="535") as failed:
        send_mail(settings(port), Login("user", "hunter2"), letter())
    assert "hunter2" not in str(failed.value)
