"""The dashboard's server: Streamlit in this process, on loopback unless told otherwise, telling nobody of it."""

from __future__ import annotations

import importlib.util
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.markup import escape

from capforecast.configuration import Loaded, usable_store
from capforecast.errors import CapforecastError, UsageError
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings
from deployments import console

RETRIES, TIMEOUT_SECONDS = 2, 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")
_NAME = re.compile(r"(\*\.)?[A-Za-z0-9._:-]+")
_BASE_PATH = re.compile(r"[A-Za-z0-9_./~-]*")
# Colours of the report (capforecast/report/style.py), for what Streamlit draws itself.
THEME = {
    "theme.font": "sans-serif",
    "theme.showWidgetBorder": True,
    "theme.headingFontSizes": ["2.25rem", "1.5rem", "1.25rem"],
    "theme.light.primaryColor": "#0b4f8a",
    "theme.light.textColor": "#0d1620",  # notes are of it at 60 %, and must be read
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#eef1f4",
    "theme.dark.primaryColor": "#5c9fdc",
    "theme.dark.textColor": "#e8edf2",
    "theme.dark.backgroundColor": "#12181e",
    "theme.dark.secondaryBackgroundColor": "#1c242c",
}
QUIET = {
    "browser.gatherUsageStats": False,
    "client.disableDataExport": True,  # its CSV leaves formulas in; pages have buttons for one that does not
    "client.showErrorDetails": "none",  # what failed is in the log, not on a page
    "client.toolbarMode": "viewer",
    "global.developmentMode": False,
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.showEmailPrompt": False,
}


@dataclass(frozen=True)
class Address:
    """Where the dashboard listens. base_path: below which a proxy serves it, "" = at its root.

    names: in the browser's address, besides `host` and this machine's own, such as that of a proxy.
    """

    host: str
    port: int
    base_path: str = ""
    names: tuple[str, ...] = ()

    @property
    def hosts(self) -> list[str]:
        """Names it may be asked by, so that no other site's page reaches it by a name that leads here (DNS rebinding).

        Empty = by any: it listens on all addresses, and nobody said which names lead there.
        """
        if self.host in EVERYWHERE and not self.names:
            return []
        return [*dict.fromkeys([*LOOPBACK, *({self.host} - set(EVERYWHERE)), *self.names])]

    @property
    def url(self) -> str:
        """What to open."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/{self.base_path.strip('/')}".rstrip("/")


def serve_dashboard(loaded: Loaded, address: Address, *, prefect_url: str = "", read_only: bool = False) -> None:
    """Serve the lake of the settings until interrupted.

    Raises UsageError where Streamlit is not installed, there is no lake, the address is taken or makes no sense.
    """
    _installed()
    _checked(address, prefect_url)
    from capforecast.dashboard import app_path, here
    from capforecast.dashboard.reading import Lake

    lake = Lake(_store(loaded))
    here.serve(here.Served(lake, prefect_url.rstrip("/"), read_only))
    _warm(lake)
    if address.host not in LOOPBACK:
        console.err.print(
            f"[yellow]note[/] {address.host} can be reached from elsewhere, and the dashboard knows no users: put a "
            "proxy that signs people in before it (docs/dashboard.md)",
            soft_wrap=True,
        )
    console.out.print(f"dashboard of {lake.store.url}: {address.url}   (Ctrl-C ends it)", soft_wrap=True, markup=False)
    _run(app_path(), address)


def options(address: Address) -> dict[str, Any]:
    """Streamlit's settings, by their names."""
    place = {
        "server.address": address.host,
        "server.port": address.port,
        "server.baseUrlPath": address.base_path.strip("/"),
        "browser.serverAddress": address.host,
        "server.allowedHosts": address.hosts,
    }
    return QUIET | THEME | place


def _run(app: Path, address: Address) -> None:
    from streamlit import net_util
    from streamlit.web import bootstrap

    net_util.get_external_ip = lambda: None  # it asks a server elsewhere, whenever an origin is refused
    flags = {name.replace(".", "_"): value for name, value in options(address).items()}
    bootstrap.load_config_options(flag_options=flags)
    bootstrap.run(str(app), False, [], flags)


def _installed() -> None:
    missing = [name for name in ("streamlit", "plotly") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the dashboard needs {' and '.join(missing)}: pip install 'capforecast[dashboard]'")


def _store(loaded: Loaded) -> Store:
    url = usable_store(loaded)
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise UsageError(f"there is no lake at {url}; name it with --store, or make one with `capforecast run`")
    return Store(url, for_people(loaded.settings.storage))


def for_people(storage: StorageSettings) -> StorageSettings:
    """How a bucket is reached while somebody waits: a run outlasts half a minute without an answer, a page does not."""
    waited = {"retries": RETRIES, "timeout_seconds": TIMEOUT_SECONDS}
    return storage.model_copy(update={name: min(getattr(storage, name), most) for name, most in waited.items()})


def _checked(address: Address, prefect_url: str) -> None:
    if prefect_url and urlsplit(prefect_url).scheme not in ("http", "https"):
        raise UsageError(f"--prefect-url {prefect_url!r}: give an address that begins with http:// or https://")
    if not _BASE_PATH.fullmatch(address.base_path):
        raise UsageError(f"--base-path {address.base_path!r}: letters, digits and / _ . ~ - alone")
    if wrong := [name for name in address.names if not _NAME.fullmatch(name)]:
        raise UsageError(f"--allowed-host {wrong[0]!r}: give a name such as dashboard.example.com, without http://")
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as there:
            there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            there.bind((address.host, address.port))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address.host}:{address.port} ({error.strerror or error}); give another --port or --host"
        ) from None


def _warm(lake: Any) -> None:
    """Read what the first page shows before anybody asks; a lake that cannot be read yet is told on the page."""
    from capforecast.dashboard import app_parts

    try:
        app_parts.warm(lake)
    except CapforecastError as error:
        console.err.print(f"[yellow]note[/] {escape(str(error))}", soft_wrap=True)
