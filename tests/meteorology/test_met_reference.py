"""The reader on HYSPLIT's reference weather, where the folder beside the project is present."""

from __future__ import annotations

from pathlib import Path

import arlmet
import numpy as np
import pytest

from stilt.meteorology.arl import read_analysis, read_index
from stilt.meteorology.writer import write_arl

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"

pytestmark = [
    pytest.mark.parity,
    pytest.mark.skipif(
        not REFERENCE.is_dir(), reason="needs the reference runs beside the project"
    ),
]


@pytest.mark.parametrize("file", ["basin/met/20230714_00", "plains/met/20230711_00"])
def test_every_field_is_what_arlmet_decodes(file):
    path = REFERENCE / file
    refs = read_index(path)
    arl_file = arlmet.File(path)
    assert [ref.time for ref in refs] == [np.datetime64(time, "m") for time in arl_file.times]
    raw = read_analysis(refs[-1])
    for record in arl_file[-1].records:
        field = raw.surface.get(record.variable)
        if record.level > 0:
            field = raw.upper[record.variable][record.level - 1]
        assert np.array_equal(field, record.read())


@pytest.mark.parametrize("file", ["basin/met/20230714_00", "plains/met/20230711_00"])
def test_written_again_the_file_has_the_same_form(file, tmp_path):
    path = REFERENCE / file
    refs = read_index(path)
    again = write_arl(tmp_path / "again", refs[0].grid, map(read_analysis, refs))
    assert again.stat().st_size == path.stat().st_size
    assert again.read_bytes()[:158] == path.read_bytes()[:158]
    assert arlmet.File(again).check() == []
    assert read_index(again)[0].grid == refs[0].grid


def test_real_analysis_whose_index_spans_records():
    refs = read_index(REFERENCE / "gdas042" / "met" / "gdas_042.bin")
    assert len(refs) == 13
    assert str(refs[0].time) == "2010-02-11T12:00"
    raw = read_analysis(refs[0])
    assert raw.grid.levels[:2] == (1000.0, 975.0)
    assert np.allclose(raw.grid.to_lonlat(0.0, 0.0), (-68.0, 8.0))
    assert 1000 < raw.surface["PRSS"].mean() < 1020
    assert 280 < raw.upper["TEMP"][0].mean() < 305
    assert np.isnan(raw.upper["RELH"][-1]).all()
