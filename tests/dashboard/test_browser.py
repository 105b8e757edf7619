"""The real app in a real browser: a morning's work, names as bad as data can be, narrow screens, the keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import browser
import dashboard_lake
import pytest

from capforecast.actions import decisions
from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake
from capforecast.lake import scenarios
from capforecast.lake.store import Store

pytestmark = pytest.mark.browser
pytest.importorskip("playwright")
if not Path(browser.CHROMIUM).exists():
    pytest.skip(f"{browser.CHROMIUM} is not there: apt-get install chromium", allow_module_level=True)
PAGES = ("", "servers", "warnings", "pools", "money", "what-if", "data", "runs")

UNNAMED = """() => [...document.querySelectorAll('input, textarea, button')].filter(node => node.offsetParent
    && !node.labels?.length && !node.ariaLabel && !node.innerText.trim() && !node.title
    && !node.getAttribute('aria-labelledby') && node.type !== 'checkbox' && node.tabIndex >= 0)
    .map(node => node.outerHTML.slice(0, 200))"""

LEVELS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(node => Number(node.tagName[1]))"


@pytest.fixture(scope="module")
def lake(made_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that visitors may write into."""
    folder = tmp_path_factory.mktemp("browsed") / "lake"
    shutil.copytree(made_lake, folder)
    return folder


@pytest.fixture(scope="module")
def server(lake: Path) -> Iterator[browser.Server]:
    with browser.server(lake, lake.parent / "log") as started:
        yield started


def test_a_morning_from_overview_to_decision(server: browser.Server, lake: Path) -> None:
    store = Store(lake)
    known = fleet.servers(Lake(store).open(Lake(store).run(None)))["server_id"].astype("str")
    plain = known[known.str.fullmatch(r"[\w-]+")].iloc[0]
    with browser.visitor(server.url) as visit:
        browser.walk(visit, [plain, "web"])
    assert visit.elsewhere == []
    assert visit.faults == []
    (decided,) = decisions.history(store)
    assert (decided.record.state, decided.record.by) == ("accepted", "a tester")
    assert [each.name for each in scenarios.listed(store)] == ["a test"]


@pytest.mark.parametrize("name", dashboard_lake.NASTY)
def test_bad_names_do_nothing_in_a_browser(server: browser.Server, name: str) -> None:
    with browser.visitor(server.url) as visit:
        visit.open(visit.server_page(name))
        assert visit.page.inner_text("h1").replace("\N{WORD JOINER}", "") == name
        made = "[data-testid=stMain] :is(h1 img, script, a[href^='http'], a[href^='javascript'])"
        assert visit.page.locator(made).count() == 0
        for path in ("servers", "pools") if name == dashboard_lake.HTML else ():
            visit.open(path)
            assert visit.page.locator(made).count() == 0
    assert visit.dialogs == []
    assert visit.elsewhere == []


def test_the_keyboard_reaches_and_opens_a_page(server: browser.Server) -> None:
    with browser.visitor(server.url) as visit:
        visit.open()
        link = visit.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Pools")
        for _ in range(30):
            visit.page.keyboard.press("Tab")
            if link.evaluate("node => node === document.activeElement"):
                break
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_function("() => document.querySelector('h1')?.innerText === 'Pools'")


def test_narrow_screens_need_no_scrolling_sideways_and_every_field_has_a_name(server: browser.Server) -> None:
    with browser.visitor(server.url, width=390, height=800) as visit:
        for path in PAGES:
            visit.open(path)
            wide = visit.page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth")
            assert wide <= 390, path
            assert visit.page.evaluate(UNNAMED) == [], path
            levels = visit.page.evaluate(LEVELS)
            assert levels[0] == 1, path
            assert all(next_ <= level + 1 for level, next_ in pairwise(levels)), (path, levels)
