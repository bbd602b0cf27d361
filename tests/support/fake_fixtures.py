"""Fixtures of the tests that run simulations with fake transport."""

import pytest
import stilt_fakes as fakes

import stilt
from stilt.execution import push


@pytest.fixture
def steer(tmp_path, monkeypatch):
    """Folder with the wishes for the fake transport."""
    folder = tmp_path / "steer"
    folder.mkdir()
    monkeypatch.setenv(fakes.STEER, str(folder))
    return folder


@pytest.fixture
def faked(monkeypatch, steer):
    """Fake weather and transport, here and in worker processes."""
    import sys

    from stilt.meteorology import coverage, heights
    from stilt.meteorology.catalogue import MetCatalogue

    for module in (heights, coverage):
        monkeypatch.setattr(module, "check_heights", heights.check_heights)
    for name in ("select", "assess"):
        monkeypatch.setattr(MetCatalogue, name, getattr(MetCatalogue, name))
    if "stilt.transport" in sys.modules:
        monkeypatch.setitem(sys.modules, "stilt.transport", sys.modules["stilt.transport"])
    else:
        monkeypatch.setitem(sys.modules, "stilt.transport", None)
        monkeypatch.delitem(sys.modules, "stilt.transport")
    fakes.install()
    monkeypatch.setattr(push, "crew_of_this_machine", fakes.crew)
    yield steer
    sys.modules.pop("stilt.transport", None)


@pytest.fixture
def make_model(tmp_path, faked):
    """Make a model of a project with fake transport."""

    def make(number=4, name="case", **changes):
        return stilt.Model(
            tmp_path / name, receptors=fakes.receptors(number), config=fakes.config(**changes)
        )

    return make
