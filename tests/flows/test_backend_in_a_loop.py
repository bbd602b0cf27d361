import asyncio
import sys

import pytest

from flows import simulate  # noqa: F401
from flows.backends import LocalBackend
from stilt.project.inputs import Project


def test_what_breaks_a_flow_reaches_a_notebook(
    api: str, new_project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = new_project("broken")

    def broken(*arguments: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(sys.modules["flows.definitions"], "run_in_flow", broken)

    async def cell() -> None:
        LocalBackend().start(Project(root), [])

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(cell())
