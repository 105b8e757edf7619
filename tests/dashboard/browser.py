"""Drives the dashboard in a real browser (Debian's Chromium, by Playwright), and takes the time of everything.

Also used by benchmarks/dashboard.py. Everything is found as a person finds it: by name, label and text.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "/usr/bin/chromium"
ROOT = Path(__file__).parents[2]
STARTS = 90.0  # seconds within which a server must answer
_QUIET = "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
_DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass
class Server:
    """`capforecast dashboard` in a process of its own. answered: seconds from its start to its first answer."""

    url: str
    process: subprocess.Popen[bytes]
    answered: float

    def memory(self) -> int:
        """Bytes that it holds, now and at most (Linux)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) * 1024


@contextmanager
def server(lake: Path, log: Path, *options: str) -> Iterator[Server]:
    """The dashboard of a lake, from its start to its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "deployments.cli",
        "dashboard",
        "--store",
        str(lake),
        "--port",
        str(port),
        *options,
    ]
    with log.open("wb") as sink:
        began = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=sink, stderr=sink, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        try:
            yield Server(f"http://127.0.0.1:{port}", process, _answers(port, process, log) - began)
        finally:
            process.terminate()
            process.wait(20)


def _answers(port: int, process: subprocess.Popen[bytes], log: Path) -> float:
    """When the server first answered."""
    until = time.monotonic() + STARTS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).read()
            return time.monotonic()
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the dashboard did not start: {log.read_text()[-2000:]}")


@dataclass
class Visit:
    """One visitor's page, what it asked for elsewhere, what went wrong, and how long each thing took (seconds)."""

    page: Any
    url: str
    elsewhere: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)
    finished: int = 0  # how often the server has said that it drew a page, or a part of one, to its end

    def watch(self) -> None:
        """Note what the page asks for elsewhere, and what fails in it."""
        self.page.on("request", self._asked)
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._told))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, self.url.replace("http", "ws"), "data:", "blob:")):
            self.elsewhere.append(request.url)

    def _told(self, message: bytes | str) -> None:
        """Streamlit's messages; what its page shows of it may be over before anybody has looked."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        told = ForwardMsg.FromString(message) if isinstance(message, bytes) else ForwardMsg()
        ends = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
        self.finished += told.WhichOneof("type") == "script_finished" and told.script_finished in ends

    def _drawn_after(self, before: int, seconds: float) -> bool:
        """Wait until more than `before` have been drawn; whether that was within so many seconds."""
        until = time.monotonic() + seconds
        while self.finished <= before:
            if time.monotonic() > until:
                return False
            self.page.wait_for_timeout(4)  # messages are told meanwhile
        self.page.wait_for_function(_QUIET, polling="raf", timeout=30_000)
        self.page.evaluate(_DRAWN)
        return True

    def open(self, path: str = "", what: str = "", heading: str = "h1") -> None:
        """Load a page anew, until it is drawn."""
        began = time.perf_counter()
        self.page.goto(f"{self.url}/{path}")
        self.page.wait_for_selector(heading, timeout=60_000)
        self.page.wait_for_function(_QUIET, polling="raf", timeout=60_000)
        self.took[what or f"open {path}"] = time.perf_counter() - began

    def do(self, what: str, act: Callable[[], Any], until: str = "") -> None:
        """Do something and wait until the page has been drawn anew; `until`: and this holds in it (JavaScript)."""
        before, began = self.finished, time.perf_counter()
        act()
        if not self._drawn_after(before, 30):
            raise TimeoutError(f"{what}: nothing was drawn within 30 s")
        if until:
            self.page.wait_for_function(until, polling="raf", timeout=30_000)
        self.took[what] = time.perf_counter() - began

    def go(self, name: str) -> None:
        """Another page, by the list on the left."""
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True)
        self.do(f"page {name}", link.click, f"() => document.querySelector('h1')?.innerText === {name!r}")

    def text(self) -> str:
        """All that stands on the page."""
        return str(self.page.inner_text("[data-testid=stMain]"))

    def table(self, number: int = 0) -> Any:
        """A table of the page."""
        return self.page.get_by_test_id("stDataFrame").nth(number)

    def click_cell(self, number: int, row: int, x: float) -> None:
        """Click into a table: row 0 is the first below the heading; x below 0 counts from the right."""
        canvas = self.table(number).locator("canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()  # what scrolls lies over it, so it is not clicked by name
        before = self.finished
        for _ in range(5):  # a table that is still being laid out takes no click
            self.page.mouse.click(box["x"] + x % box["width"], box["y"] + 35 + 35 * row + 17)
            if self._drawn_after(before, 3):
                return
            box = canvas.bounding_box()

    def push(self, label: str, key: str = "ArrowRight") -> None:
        """Move a slider by one step, by the keyboard."""
        slider = self.page.get_by_test_id("stSlider").filter(has_text=label).locator("input[type=range]")
        slider.focus()
        slider.press(key)

    def server_page(self, server: str) -> str:
        """Path of the page of a server."""
        return f"server?server={quote(server, safe='')}"


@contextmanager
def visitor(url: str, *, scheme: str = "light", width: int = 1360, height: int = 1000) -> Iterator[Visit]:
    """A browser with one page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        visit = Visit(context.new_page(), url)
        visit.watch()
        try:
            yield visit
        finally:
            browser.close()


def walk(visit: Visit, servers: list[str]) -> None:
    """What a person does on a morning: from the overview to a decision. servers: names, the first has a forecast."""
    visit.open(what="first page", heading="[data-testid=stDataFrame] canvas")
    visit.do("matrix: a cell", lambda: visit.click_cell(0, 0, -60), _said(", unknown."))
    visit.do("matrix: by region", visit.page.get_by_role("radio", name="Region").click)
    _search_and_filter(visit, servers[1])
    _one_server(visit, servers[0])
    for name in ("Warnings", "Pools"):
        visit.go(name)
    visit.do("pools: sums", lambda: visit.page.get_by_text("Sums over regions").click())
    _scenario(visit)
    _decision(visit)
    for name in ("Data", "Runs", "Overview"):
        visit.go(name)


def _search_and_filter(visit: Visit, server: str) -> None:
    page = visit.page
    visit.go("Servers")
    search = page.get_by_label("Search", exact=True)
    search.fill(server)
    visit.do("servers: search", lambda: search.press("Enter"), _said(" servers. Select"))
    search.fill("")
    visit.do("servers: search undone", lambda: search.press("Enter"))
    box = page.get_by_test_id("stMultiSelect").filter(has_text="Tier").locator("input")
    box.click()
    visit.do("servers: filter", page.get_by_role("option", name="critical").click)
    page.keyboard.press("Escape")


def _one_server(visit: Visit, server: str) -> None:
    page = visit.page
    find = page.get_by_label("Find a server")
    find.fill(server)
    drawn = "() => document.querySelector('.js-plotly-plot .main-svg') !== null"
    visit.do("find and open a server", lambda: find.press("Enter"), drawn)
    visit.do("server: another metric", page.get_by_role("radio", name="mem").click)
    visit.do("server: a year back", page.get_by_role("radio", name="1 year").click)
    box = page.get_by_test_id("stMultiSelect").filter(has_text="What earlier runs said").locator("input")
    box.click()
    visit.do("server: what an earlier run said", page.get_by_role("option").first.click, _said("have come since"))
    page.keyboard.press("Escape")


def _scenario(visit: Visit) -> None:
    page = visit.page
    visit.go("What if")
    page.wait_for_selector("h2", timeout=30_000)
    for label in ("Growth", "One-off load", "Quarter end", "Threshold", "Lead time"):
        visit.do(f"what if: {label}", lambda label=label: visit.push(label, "PageUp"))
    name = page.get_by_label("Name", exact=True)
    name.fill("a test")
    visit.do("what if: name", lambda: name.press("Enter"))
    visit.do("what if: save", page.get_by_role("button", name="Save, and link").click, _said("is now the link"))
    assert "scenario=" in page.url
    page.wait_for_function(_QUIET, polling="raf")
    told = page.inner_text("h2")
    visit.open(page.url.removeprefix(visit.url).lstrip("/"), "what if: reload", "h2")
    # the same answer and name; on a busy machine the first words of a page come before the last
    page.wait_for_function(f"() => document.querySelector('h2')?.innerText === {told!r}", timeout=30_000)
    page.wait_for_function("() => document.querySelector('input[aria-label=Name]')?.value === 'a test'", timeout=30_000)


def _decision(visit: Visit) -> None:
    page = visit.page
    visit.go("Money")
    visit.do("money: select advice", lambda: visit.click_cell(0, 0, 18), _said("1 selected"))
    page.get_by_label("Your name").fill("a tester")
    visit.do("money: accept", page.get_by_role("button", name="Accept").click, _said("Recorded: accepted"))


def _said(text: str) -> str:
    return f"() => document.querySelector('[data-testid=stMain]').innerText.includes({text!r})"
