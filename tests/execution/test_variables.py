import os

import pytest

from stilt.execution.environment import environment


def test_environment_puts_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STILT_A", "before")
    monkeypatch.delenv("STILT_B", raising=False)
    with environment({"STILT_A": "x", "STILT_B": "y"}):
        assert (os.environ["STILT_A"], os.environ["STILT_B"]) == ("x", "y")
    assert os.environ["STILT_A"] == "before"
    assert "STILT_B" not in os.environ
