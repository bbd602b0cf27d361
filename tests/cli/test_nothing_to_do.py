"""`stilt run` of a complete project starts neither Prefect nor processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.backends import LocalBackend


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The projects for which a run began slow preparations."""
    projects: list[Path] = []

    @contextmanager
    def prepare(self: LocalBackend, output_root: Path) -> Iterator[None]:
        projects.append(output_root)
        yield

    monkeypatch.setattr(LocalBackend, "prepare", prepare)
    return projects


def test_only_a_run_with_something_to_do_begins_slow_preparations(
    api: str, stilt, project_files, tmp_path: Path, begun: list[Path]
) -> None:
    root = project_files(tmp_path / "case")
    assert stilt("run", root).exit_code == 0
    assert begun == [root]
    again = stilt("run", root)
    assert again.exit_code == 0, again.output
    assert "completed=3" in again.stdout
    assert begun == [root]

    receptors = root / "receptors.csv"
    lines = receptors.read_text().splitlines()[:-1]
    receptors.write_text("\n".join(lines) + "\n")
    later = (root / ".stilt" / "index.duckdb").stat().st_mtime + 1.0
    os.utime(receptors, (later, later))
    stilt("run", root)
    assert begun == [root, root]
    stilt("run", "--no-skip", root)
    assert begun == [root, root, root]
