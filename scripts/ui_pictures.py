"""Pictures of the Prefect UI for docs/images, taken in headless Chromium.

    pip install playwright; . STATE/env                     # Debian's chromium does: no browser is downloaded
    python scripts/ui_pictures.py docs/images RUN_ID

RUN_ID: a finished run of a deployment. The password is taken from PREFECT_API_AUTH_STRING, the server's address from
PREFECT_API_URL.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

API = os.environ["PREFECT_API_URL"]
UI = API.removesuffix("/api")
PASSWORD = os.environ.get("PREFECT_API_AUTH_STRING", "")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PROMOTION = "text=You can use Prefect Cloud for free"
SETTLED = 9000  # milliseconds until a page of the UI has drawn its charts


def asked(path: str, content: dict[str, Any] | None = None) -> Any:
    """What the API answers."""
    headers = {"content-type": "application/json", "authorization": f"Basic {b64encode(PASSWORD.encode()).decode()}"}
    if content is not None:
        token = json.loads(_open(f"{API}/csrf-token?client=pictures", headers))
        headers |= {"Prefect-Csrf-Token": token["token"], "Prefect-Csrf-Client": "pictures"}
    return json.loads(_open(f"{API}/{path}", headers, None if content is None else json.dumps(content).encode()))


def _open(address: str, headers: dict[str, str], data: bytes | None = None) -> bytes:
    request = urllib.request.Request(address, data, headers)
    return bytes(urllib.request.urlopen(request, timeout=30).read())


def log_in(page: Page) -> None:
    """Give the password, as a person would."""
    page.goto(f"{UI}/login")
    page.wait_for_timeout(SETTLED)
    if page.locator("input").count():
        page.fill("input", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_timeout(SETTLED)


def picture(page: Page, folder: Path, name: str, path: str, click: str | None = None) -> None:
    """One page as a file."""
    page.goto(f"{UI}/{path}")
    page.wait_for_timeout(SETTLED)
    if click:
        page.get_by_text(click, exact=True).first.click()
        page.wait_for_timeout(SETTLED)
    page.screenshot(path=folder / f"prefect-{name}.png")
    print(folder / f"prefect-{name}.png")


def main(folder: Path, run_id: str) -> None:
    """Take all of them."""
    run = asked(f"flow_runs/{run_id}")
    artifacts = asked("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "limit": 200})
    by_key = {artifact["key"]: artifact["id"] for artifact in artifacts}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="light")
        log_in(page)
        picture(page, folder, "run", f"runs/flow-run/{run_id}")
        picture(page, folder, "subflows", f"runs/flow-run/{run_id}", "Subflow Runs")
        for key in ("capacity-summary", "fleet-summary"):
            picture(page, folder, f"artifact-{key}", f"artifacts/artifact/{by_key[key]}")
        picture(page, folder, "deployments", "deployments")
        picture(page, folder, "form", f"deployments/deployment/{run['deployment_id']}/run")
        picture(page, folder, "automations", "automations")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
