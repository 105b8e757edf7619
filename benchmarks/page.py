"""What sections of RESULTS.md are made of: tables, targets beside measurements, and under what they were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from peer_cache import PACKAGES, versions
from results import setting


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = (head, ["---"] * len(head), *rows)
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def target(words: str, measured: str, met: bool | None) -> list[str]:
    """A row of the table `target | measured | `; None = not all that it needs was run."""
    return [words, measured, "open" if met is None else "met" if met else "**not met**"]


def targets(rows: Iterable[Sequence[str]]) -> list[str]:
    """The table of targets."""
    return table(["target", "measured", ""], rows)


def provenance() -> str:
    """When, where and with what, the peers' versions too."""
    pinned = versions()
    peers = ", ".join(f"{name} {pinned[name]}" for name in sorted(set(PACKAGES.values()) - {""}))
    return f"{setting()} Peers: {peers}."
