"""Pictures of the dashboard for docs/dashboard: each page, light and dark, in headless Chromium.

    python scripts/dashboard_pictures.py LAKE              writes docs/dashboard/PAGE-light.webp and PAGE-dark.webp
    python scripts/dashboard_pictures.py LAKE --into DIR   elsewhere, to look at

LAKE: a folder that `capforecast run` filled, best with several cut-offs. Nothing is written into it.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake
from capforecast.lake.store import Store

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "dashboard"))
import browser  # noqa: E402

HEIGHTS = {
    "overview": 1560, "servers": 1000, "server": 1240, "warnings": 1400, "pools": 1240, "money": 1420, "what-if": 1320,
    "data": 1500, "runs": 1300,
}  # fmt: skip
WIDTH, SHOWN = 1360, 960  # pixels of the window, of the picture
SETTLED = 1500  # milliseconds in which charts and tables that were told are drawn


def taken(visit: browser.Visit, page: str, server: str) -> Image.Image:
    """One page as a picture."""
    visit.page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[page]})
    visit.open({"overview": "", "server": visit.server_page(server)}.get(page, page))
    if page == "what-if":
        visit.do("growth", lambda: visit.push("Growth", "PageUp"))
    visit.page.wait_for_timeout(SETTLED)
    whole = Image.open(io.BytesIO(visit.page.screenshot())).convert("RGB")
    return whole.resize((SHOWN, round(whole.height * SHOWN / whole.width)), Image.Resampling.LANCZOS)


def main() -> None:
    """Take them all."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("lake", type=Path)
    options.add_argument("--into", type=Path, default=ROOT / "docs" / "dashboard")
    chosen = options.parse_args()
    chosen.into.mkdir(parents=True, exist_ok=True)
    known = Lake(Store(chosen.lake))
    worst = str(fleet.servers(known.open(known.run(None)))["server_id"].iloc[0])
    with (
        tempfile.TemporaryDirectory() as folder,
        browser.server(chosen.lake, Path(folder) / "log") as server,
    ):
        for scheme in ("light", "dark"):
            with browser.visitor(server.url, scheme=scheme, width=WIDTH) as visit:
                for page in HEIGHTS:
                    file = chosen.into / f"{page}-{scheme}.webp"
                    taken(visit, page, worst).save(file, quality=82, method=6)
                    print(file)


if __name__ == "__main__":
    main()
