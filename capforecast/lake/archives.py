"""Archives from elsewhere, unpacked with suspicion: nothing outside the folder, no links, no bombs.

Python's own `data` filter (PEP 706) mends and skips; here what is strange is refused, with its name, before anything
is used.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from capforecast.errors import InputError

MOST_FILES = 20_000
MOST_BYTES = 8 << 30  # unpacked
LONGEST_NAME = 1024
_CHUNK = 1 << 20
_LONGEST_READ = _CHUNK  # what tarfile reads at once beside content is a header, and some of these say their own length


def unpack(
    archive: IO[bytes], folder: Path, name: str, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES
) -> list[str]:
    """Unpack a .tar.gz below an empty folder; returns the names of its files, sorted.

    Only plain files and folders are taken. Raises InputError, naming archive and member, for a name that leads outside
    the folder or stands twice, for links and devices, for more files or bytes than allowed (what is written counts, not
    what the archive says of itself), and where it is damaged.
    """
    seen: dict[str, None] = {}
    left = most_bytes
    try:
        with gzip.GzipFile(fileobj=archive) as plain, tarfile.open(fileobj=_Wary(plain, name), mode="r:") as opened:
            for member in _members(opened, name, most_files):
                path = _inside(member, name)
                if path is None:
                    continue
                if path.as_posix() in seen:
                    raise InputError(f"{name}: {member.name!r} stands twice in it")
                seen[path.as_posix()] = None
                left -= _write(opened, member, folder / path, left, f"{name} holds more than {most_bytes} bytes")
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{name} cannot be unpacked ({str(error) or type(error).__name__})") from None
    return sorted(seen)


class _Wary(io.BufferedIOBase):
    """An unpacked archive, from which nothing huge is read at once: a header of gigabytes would fill the memory."""

    def __init__(self, plain: gzip.GzipFile, name: str) -> None:
        self._plain, self._name = plain, name

    def read(self, size: int | None = -1) -> bytes:
        """As of any file; raises InputError."""
        if size is None or not 0 <= size <= _LONGEST_READ:
            raise InputError(f"{self._name} has a header that says it is {size} bytes long; nothing was taken")
        return self._plain.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        return self._plain.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._plain.tell()

    def seekable(self) -> bool:
        """It is."""
        return True


def _members(opened: tarfile.TarFile, name: str, most: int) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(opened, 1):
        if number > most:
            raise InputError(f"{name} holds more than {most} files")
        yield member


def _inside(member: tarfile.TarInfo, name: str) -> PurePosixPath | None:
    """Where a file goes, relative; None for a folder. Raises InputError for what must not be there."""
    path = PurePosixPath(member.name)
    strange = path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name
    if strange or len(member.name) > LONGEST_NAME:
        raise InputError(f"{name}: {member.name[:200]!r} leads outside of it; nothing was taken")
    if member.isdir():
        return None
    if not member.isreg() or member.issparse() or not path.parts:
        raise InputError(f"{name}: {member.name!r} is no plain file (a link, say); nothing was taken")
    return path


def _write(opened: tarfile.TarFile, member: tarfile.TarInfo, file: Path, left: int, too_much: str) -> int:
    """Write a member; the bytes written."""
    if member.size > left:
        raise InputError(too_much)
    source = opened.extractfile(member)
    if source is None:
        raise InputError(f"{member.name!r} has no content")
    file.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with source, file.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise InputError(too_much)
            sink.write(chunk)
    if written != member.size:
        raise InputError(f"{member.name!r} is cut short")
    return written
