"""A format of the user's own, as the page on meteorology shows one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import stilt
from benchmarks.weather_files.truth import on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import ConfigValidationError, MeteorologyError
from stilt.meteorology.archive import list_archive
from stilt.meteorology.catalogue import MetCatalogue

PAGE = Path(__file__).parents[2] / "docs" / "pages" / "meteorology.md"
HOURS = [np.datetime64(f"2023-07-15T{hour}:00", "m") for hour in (16, 17)]
POINT = {"time": "2023-07-15 16:20", "longitude": -111.85, "latitude": 40.77}


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """The module of the page, and a folder of its files."""
    (code,) = (
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
        if "class Npz" in block
    )  # fmt: skip
    (tmp_path / "shown_source.py").write_text(code)
    (tmp_path / "careless_source.py").write_text(code.replace("if ref.crop is not None", "if 0"))
    monkeypatch.syspath_prepend(str(tmp_path))
    from shown_source import GRID, LEVELS_HPA, SURFACE

    folder = tmp_path / "met"
    folder.mkdir()
    for time in HOURS:
        raw = on_pressures(on_grid(truth(time), GRID), np.array(LEVELS_HPA))
        fields = {name: raw.surface[name] for name in SURFACE} | raw.upper
        np.savez(folder / f"{str(time).replace(':', '_')}.npz", **fields)
    return folder


def test_the_page_s_format_is_listed_read_and_cropped(shown):
    met = MetConfig(directory=shown, format="shown_source.Npz")
    first, second = MetCatalogue(met).select(*HOURS)
    assert (first.format, second.format) == (met.format, met.format)
    archive = list_archive(shown, met.format)
    assert "UWND" in archive.streams[0].fields.upper
    found = stilt.sample_meteorology(met, POINT)
    assert 1.0 < float(found["surface_altitude"].squeeze()) < 3000.0
    assert np.isfinite(found["eastward_wind"].values).any()


def test_a_read_that_ignores_the_crop_is_named(shown):
    met = MetConfig(directory=shown, format="careless_source.Npz")
    with pytest.raises(MeteorologyError, match="its read must return the part that the crop"):
        stilt.sample_meteorology(met, POINT)


def test_a_module_that_is_not_found_is_told_where_to_be(shown):
    with pytest.raises(ConfigValidationError, match="put the folder of your module on PYTHONPATH"):
        MetCatalogue(MetConfig(directory=shown, format="no_such_source.Npz")).select(*HOURS)
