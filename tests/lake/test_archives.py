"""Archives from elsewhere: what is fine is unpacked, what is strange is refused by name, and nothing of it is used."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from capforecast.errors import InputError
from capforecast.lake.archives import unpack

Change = Callable[[tarfile.TarInfo], None]


def archive(*members: tuple[str, bytes | Change]) -> io.BytesIO:
    """A .tar.gz of files, or of members that a function makes strange."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as opened:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                opened.addfile(member, io.BytesIO(content))
            else:
                content(member)
                opened.addfile(member)
    return io.BytesIO(sink.getvalue())


def kind(letter: bytes, target: str = "") -> Change:
    def change(member: tarfile.TarInfo) -> None:
        member.type, member.linkname = letter, target

    return change


def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path) -> None:
    packed = archive(("a", kind(tarfile.DIRTYPE)), ("a/b.txt", b"1"), ("./c.txt", b"22"), ("a/empty", b""))
    assert unpack(packed, tmp_path, "m.tar.gz") == ["a/b.txt", "a/empty", "c.txt"]
    assert (tmp_path / "a/b.txt").read_bytes() == b"1"
    assert (tmp_path / "c.txt").read_bytes() == b"22"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([("../out.txt", b"1")], "leads outside"),
        ([("a/../../out.txt", b"1")], "leads outside"),
        ([("/tmp/out.txt", b"1")], "leads outside"),
        ([("a\\..\\out.txt", b"1")], "leads outside"),
        ([("a", kind(tarfile.SYMTYPE, "/etc")), ("a/passwd", b"1")], "no plain file"),
        ([("a", kind(tarfile.LNKTYPE, "/etc/passwd"))], "no plain file"),
        ([("a", kind(tarfile.FIFOTYPE))], "no plain file"),
        ([("a", kind(tarfile.CHRTYPE))], "no plain file"),
        ([("a.txt", b"1"), ("./a.txt", b"2")], "stands twice"),
        ([("a.txt", b"1"), ("a.txt/b", b"2")], "cannot be unpacked"),
        ([(f"{i}.txt", b"") for i in range(11)], "more than 10 files"),
        ([("a.txt", b"x" * 1001)], "more than 1000 bytes"),
        ([("a.txt", b"x" * 600), ("b.txt", b"x" * 600)], "more than 1000 bytes"),
    ],
)
def test_what_is_strange_is_refused_by_name(tmp_path: Path, members: list[tuple[str, bytes]], said: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(InputError, match=said) as refused:
        unpack(archive(*members), inner, "m.tar.gz", most_bytes=1000, most_files=10)
    assert "m.tar.gz" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
    assert not any(path.is_symlink() for path in inner.rglob("*"))


def test_a_bomb_is_stopped_by_what_it_writes(tmp_path: Path) -> None:
    """A few kilobytes that unpack to 50 MB."""
    packed = archive(("zeros", bytes(50_000_000)))
    assert len(packed.getvalue()) < 100_000
    with pytest.raises(InputError, match="more than 1000000 bytes"):
        unpack(packed, tmp_path, "m.tar.gz", most_bytes=1_000_000)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 1_000_000


@pytest.mark.parametrize("data", [b"", b"not gzip at all", gzip.compress(b"no tar in it"), b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_said(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match=r"m\.tar\.gz cannot be unpacked"):
        unpack(io.BytesIO(data), tmp_path, "m.tar.gz")


def test_one_that_is_cut_short_is_said(tmp_path: Path) -> None:
    whole = archive(("a.txt", bytes(range(256)) * 400)).getvalue()
    with pytest.raises(InputError):
        unpack(io.BytesIO(whole[: len(whole) // 2]), tmp_path, "m.tar.gz")


@settings(max_examples=60, deadline=None)
@given(names=some.lists(some.text("ab./\\~", min_size=1, max_size=8), max_size=4))
def test_nothing_is_ever_written_outside(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    outer = tmp_path_factory.mktemp("outer")
    inner = outer / "x" / "inner"
    inner.mkdir(parents=True)
    with contextlib.suppress(InputError):
        unpack(archive(*((name, b"1") for name in names)), inner, "m.tar.gz")
    found = {path for path in outer.rglob("*") if path.is_file()}
    assert all(inner in path.parents for path in found)


@pytest.mark.parametrize(
    "letter", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
@pytest.mark.parametrize("size", [64 << 20, -(2**40)])
def test_a_header_of_gigabytes_is_not_read_into_memory(tmp_path: Path, letter: bytes, size: int) -> None:
    header, zeros = tarfile.TarInfo("header"), bytes(1 << 20)
    header.type, header.size = letter, size
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1) as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(max(size, 0) // len(zeros)):
            packed.write(zeros)
        packed.write(tarfile.TarInfo("a").tobuf() + bytes(1024))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"header that says it is|cannot be unpacked"):
            unpack(io.BytesIO(sink.getvalue()), tmp_path, "m.tar.gz")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert not list(tmp_path.iterdir())
