"""Which files a source means: one file, a folder or a glob."""

from __future__ import annotations

import glob
import logging
import os
from pathlib import Path

from capforecast.errors import InputError, NoUsableInputError

log = logging.getLogger(__name__)

READABLE = (".parquet", ".pq", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".bak")


def find_files(source: str, without: Path | None = None) -> list[Path]:
    """The data files of a source, sorted by path. `without`: a folder that is never searched, the lake itself.

    A folder is searched with all its subfolders. Hidden and temporary names (`.x`, `_x`, `x~`, `x.tmp`) and other
    endings than READABLE are passed over there; a file that is named itself is always read.
    Raises NoUsableInputError when nothing is there.
    """
    if not source.strip():
        raise NoUsableInputError("the source is empty: name a file, a folder or a pattern such as data/*.parquet")
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = _outside(_usable(_everything(path), path), without)
        if not found:
            raise NoUsableInputError(f"folder {source} holds no data file; expected {', '.join(READABLE)}")
        return found
    if glob.has_magic(source):
        return _outside(_matches(source), without)
    raise NoUsableInputError(f"{source} does not exist: name a file, a folder or a pattern such as data/*.parquet")


def _outside(paths: list[Path], folder: Path | None) -> list[Path]:
    return paths if folder is None else [path for path in paths if not path.resolve().is_relative_to(folder)]


def _everything(folder: Path) -> list[Path]:
    """All files below a folder; raises InputError for a subfolder that may not be read."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check that it may be read")

    return sorted(Path(where) / name for where, _, names in os.walk(folder, onerror=refuse) for name in names)


def inventory_beside(files: list[Path], source: str) -> Path | None:
    """The file of a folder or glob that is its inventory by name (`inventory.csv`, `inventory.parquet`), if any."""
    if Path(source).expanduser().is_file():
        return None
    named = [path for path in files if path.name.lower().split(".")[0] == "inventory"]
    if len(named) > 1:
        raise InputError(
            f"{source} holds several inventories ({', '.join(str(path) for path in named)}): name one (--inventory)"
        )
    return named[0] if named else None


def _matches(pattern: str) -> list[Path]:
    anchor = Path(pattern[: min(pattern.find(sign) for sign in "*?[" if sign in pattern)]).expanduser()
    anchor = anchor if anchor.is_dir() else anchor.parent
    matches = [Path(name) for name in sorted(glob.glob(str(Path(pattern).expanduser()), recursive=True))]
    if not matches:
        raise NoUsableInputError(f"no file matches {pattern}")
    files = _usable(matches, anchor)
    if not files:
        raise NoUsableInputError(f"what matches {pattern} holds no data file; expected {', '.join(READABLE)}")
    return files


def _usable(paths: list[Path], root: Path) -> list[Path]:
    files = []
    for path in paths:
        parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
        if not path.is_file() or any(_hidden(part) for part in parts):
            continue
        if path.name.lower().endswith(READABLE):
            files.append(path)
        else:
            log.info("passed over %s: not one of %s", path, ", ".join(READABLE))
    return files


def _hidden(name: str) -> bool:
    return name.startswith((".", "_")) or name.endswith("~") or name.lower().endswith(_TEMPORARY)
