"""A place for compiled kernels where neither the package nor the user's cache folder can be written.

Without one, as in a container with a read-only file system and no home, numba refuses to define a cached kernel, and
nothing that computes could be imported. Must run before the first kernel is defined.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import numba

log = logging.getLogger(__name__)


def ensure() -> None:
    """Where numba finds no folder to keep kernels in, give it one of this user among the temporary files."""
    try:
        numba.njit(cache=True)(_kernel)
    except RuntimeError:
        folder = str(_folder())
        numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]
        log.info("compiled kernels are kept in %s; name a lasting folder with NUMBA_CACHE_DIR", folder)


def _kernel() -> None:
    """Never compiled; only its place is looked for."""


def _folder() -> Path:
    """A folder that only this user can write, the same in every process; a new one where somebody else took the name.

    What lies there is run as code.
    """
    folder = Path(tempfile.gettempdir()) / f"capforecast-kernels-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if mine else Path(tempfile.mkdtemp(prefix=folder.name))
