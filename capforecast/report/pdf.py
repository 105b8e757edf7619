"""The printed report: Jinja to HTML, WeasyPrint to tagged PDF. Same input, same bytes; no network, no foreign file."""

from __future__ import annotations

import base64
import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capforecast.errors import CapforecastError
from capforecast.report import style
from capforecast.report.data import ReportData
from capforecast.settings import ReportSettings

if TYPE_CHECKING:
    from jinja2 import Environment

logger = logging.getLogger(__name__)

NATIVE_PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0")
_HERE = Path(__file__).parent
_FONT_SCHEME = "capforecast-font:"


def render_pdf(data: ReportData, settings: ReportSettings) -> bytes:
    """The report as PDF/UA-1 (tagged), dated `as_of`.

    Raises:
        CapforecastError: WeasyPrint's native libraries are missing; the message names the packages.
    """
    weasyprint = _weasyprint()
    fonts = {weight: _FONT_SCHEME + name for weight, name in style.FONT_FILES.items()}
    html = _render(data, settings, fonts, inline=False)
    document = weasyprint.HTML(string=html, base_url=None, url_fetcher=_own_files_only())
    pdf: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_tags=True)
    logger.debug("report: %d bytes of PDF", len(pdf))
    return pdf


def render_html(data: ReportData, settings: ReportSettings) -> str:
    """The same report as one HTML file that needs no other: charts and fonts are inside."""
    fonts = {}
    for weight, name in style.FONT_FILES.items():
        encoded = base64.b64encode((_HERE / "fonts" / name).read_bytes()).decode("ascii")
        fonts[weight] = f"data:font/ttf;base64,{encoded}"
    return _render(data, settings, fonts, inline=True)


def _render(data: ReportData, settings: ReportSettings, fonts: dict[int, str], *, inline: bool) -> str:
    """inline: charts as elements of the page, not as images."""
    from capforecast.report.page import context

    return _environment().get_template("report.html").render(**context(data, settings), fonts=fonts, inline=inline)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from capforecast.report.style import printable

    return Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )


def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError as error:  # the Python package is there, a shared library it loads is not
        raise CapforecastError(
            "The PDF cannot be drawn: a native library of WeasyPrint is missing "
            f"({str(error).splitlines()[0]}). Install it with `make system`, or: "
            f"apt-get install --no-install-recommends {' '.join(NATIVE_PACKAGES)}"
        ) from error
    return weasyprint


def _own_files_only() -> Any:
    """A fetcher that knows our fonts and data URIs, and refuses all else: a report never reads what its data names."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFilesOnly(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if url.startswith("data:"):
                return super().fetch(url, headers)
            name = url.removeprefix(_FONT_SCHEME)
            if url.startswith(_FONT_SCHEME) and name in style.FONT_FILES.values():
                return URLFetcherResponse(url, (_HERE / "fonts" / name).read_bytes(), {"Content-Type": "font/ttf"})
            raise ValueError(f"a report opens nothing but its own fonts and charts, not {url[:80]}")

    return OwnFilesOnly(allowed_protocols=("data",))
