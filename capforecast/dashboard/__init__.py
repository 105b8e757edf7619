"""What a browser shows of the lake. Pages (views/, app.py) draw; the other modules read, choose and word."""

from pathlib import Path


def app_path() -> Path:
    """The script that Streamlit runs."""
    return Path(__file__).with_name("app.py")


def icon_path() -> Path:
    """The picture in a browser's tab. A file of ours: Streamlit's own icons would be fetched from elsewhere."""
    return Path(__file__).with_name("icon.png")
