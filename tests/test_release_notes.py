"""A release tells one version everywhere, and what is new in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import release_notes


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "capforecast").mkdir()
    (tmp_path / "capforecast" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\nlater\n\n"
        "## [1.2.0] - 2026-12-01\n\n### Added\n- this\n\n## [1.1.0] - 2026-11-01\n- that\n"
    )
    return tmp_path


def test_notes_are_the_section_of_the_version_alone(tree: Path) -> None:
    assert release_notes.notes("v1.2.0", tree) == "### Added\n- this\n"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("pyproject.toml", '[project]\nversion = "1.1.0"\n', r"pyproject\.toml says 1\.1\.0"),
        ("capforecast/__init__.py", "", r"__init__\.py says no version"),
        ("CHANGELOG.md", "## [Unreleased] 1.2.0\n- this\n", r"no section `## \[1\.2\.0\]"),
        ("CHANGELOG.md", "## [1.2.0] - 2026-12-01\n\n## [1.1.0] - 2026-11-01\n- that\n", "with a text"),
    ],
)
def test_what_tells_another_version_stops_the_release(tree: Path, name: str, content: str, told: str) -> None:
    (tree / name).write_text(content)
    with pytest.raises(release_notes.ReleaseError, match=told):
        release_notes.notes("v1.2.0", tree)
