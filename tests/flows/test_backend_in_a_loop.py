import asyncio

import pytest
from prefect.states import Failed

import flows
from flows.backends import LocalBackend


def test_what_breaks_a_flow_reaches_a_notebook(
    api: str, new_project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = new_project("broken")

    def broken(*args: object, **options: object) -> object:
        return Failed(data=OSError("the disk is gone"))

    monkeypatch.setattr(flows, "simulate", broken)

    async def cell() -> None:
        LocalBackend().start([], project=str(root))

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(cell())
