"""One page of the app, as a visitor has it, in this process."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from capforecast.dashboard import app_path


def visit(path: str = "overview", **query: str) -> AppTest:
    """The page at a path with the parameters of its link; nothing on it may have failed unforeseen."""
    app = AppTest.from_file(str(app_path()), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if path != "overview":
        app._page_hash = calc_hash(path)  # AppTest.switch_page knows pages that are files alone
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
    sound(app)
    return app


def sound(app: AppTest) -> None:
    """Nothing failed that nobody foresaw."""
    assert [each.value for each in app.exception] == []
    assert [each.value for each in app.error if "could not be drawn" in each.value] == []


def texts(app: AppTest) -> str:
    """All that is said on a page."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success, app.title, app.header)
    return "\n".join(str(each.value) for kind in kinds for each in kind)
