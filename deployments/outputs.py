"""Files that a command writes where it was told to: refused before the long work when they cannot be written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from capforecast.errors import UsageError


def refuse_unwritable(path: Path, option: str) -> None:
    """Raise UsageError, naming the option, where a file cannot be written. Leaves no file or folder behind."""
    new = [folder for folder in path.parents if not folder.exists()]  # innermost first
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = not path.exists()
            path.open("a").close()
            if fresh:
                path.unlink()
        finally:
            for folder in new:
                with suppress(OSError):  # not made, or another process has put something there
                    folder.rmdir()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{option} {path} cannot be written ({reason}); give a file you may write") from None


def write_text(path: Path, text: str) -> None:
    """Write a file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
