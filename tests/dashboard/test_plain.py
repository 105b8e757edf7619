"""Text from data stays text, in Markdown and in charts."""

from __future__ import annotations

import dashboard_lake
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from capforecast.dashboard.plain import in_chart, in_markdown

JOINER = "\N{WORD JOINER}"


def rendered(text: str) -> str:
    """What Markdown makes of a text, as HTML."""
    return MarkdownIt("commonmark").render(f"x {in_markdown(text)} x")


@pytest.mark.parametrize("text", dashboard_lake.NASTY)
def test_bad_names_become_no_markup(text: str) -> None:
    html = rendered(text)
    assert html.count("<") == 2  # the paragraph's own tags
    assert "<a" not in html
    assert "<img" not in html


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_the_text_it_becomes_no_tag(text: str) -> None:
    html = rendered(text)
    assert html.startswith("<p>")
    assert html.removeprefix("<p>").removesuffix("</p>\n").count("<") == 0


@settings(deadline=None)
@given(st.text(max_size=60))
def test_charts_get_no_tag(text: str) -> None:
    assert "<" not in in_chart(text)
    assert ">" not in in_chart(text)


def test_plain_names_stay_readable() -> None:
    assert in_markdown("web 1") == "web 1"
    assert in_chart("R&D <x>") == "R&amp;D &lt;x&gt;"


@pytest.mark.parametrize(
    "text", ["http://a.example/x", "HTTPS://a.example", "www.a.example", "ann@a.example", ":material/home:"]
)
def test_addresses_and_icons_are_not_found_in_the_text(text: str) -> None:
    assert JOINER in in_markdown(text)
    assert rendered(text).replace(JOINER, "") == f"<p>x {text} x</p>\n"
