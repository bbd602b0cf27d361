"""What a weather is said to lack is what transport does without, or stops for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.weather_files.era5_files import write_era5
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig, ModelConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.coverage import lacking_fields
from stilt.meteorology.formats import field_names, read_analysis
from stilt.meteorology.prepare import PreparationOptions, levels_for, prepare
from stilt.meteorology.records import FieldNames
from stilt.meteorology.stand_ins import stand_in_text, stand_ins

METS = {"any": {"directory": "unused", "file_format": "%Y", "file_tres": "1h"}}
TIME = np.datetime64("2023-07-15T18:00", "m")


@pytest.fixture(scope="module")
def sigma():
    return on_grid(truth(TIME), LATLON)


@pytest.fixture(scope="module")
def pressure(sigma):
    return on_pressures(sigma, np.array(PRESSURES_HPA, float))


def without(raw, *names):
    kept = {k: f for k, f in raw.surface.items() if k not in names}
    upper = {k: f for k, f in raw.upper.items() if k not in names}
    return replace(raw, surface=kept, upper=upper)


def names_of(raw) -> FieldNames:
    return FieldNames(tuple(raw.surface), tuple(raw.upper))


def found(raw):
    return stand_ins(names_of(raw), raw.grid.vertical_flag)


REMOVED = [
    ("UWND",), ("TEMP",), ("HGTS",), ("WWND",), ("USTR",), ("SHTF",), ("USTR", "SHTF"), ("U10M",),
    ("T02M",), ("SPHU",), ("RGHS",), ("PRSS",), ("SHGT",), ("PRSS", "SHGT"), ("PBLH",),
]  # fmt: skip


@pytest.mark.parametrize("names", REMOVED, ids="-".join)
@pytest.mark.parametrize("levels", ["sigma", "pressure"])
def test_transport_stops_where_nothing_stands_in_and_goes_on_elsewhere(names, levels, request):
    raw = without(request.getfixturevalue(levels), *names)
    levels_there = levels_for(raw.grid, 25_000.0)
    if any(not one.instead for one in found(raw)):
        with pytest.raises(MeteorologyError):
            prepare(raw, levels_there, PreparationOptions())
    else:
        assert np.isfinite(prepare(raw, levels_there, PreparationOptions()).column).all()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("WWND",), "divergence of the wind"),
        (("USTR",), "profiles of wind and temperature"),
        (("USTR", "SHTF"), "surface fluxes"),
        (("U10M", "V10M"), "logarithmic law"),
        (("T02M",), "dry adiabat"),
        (("SPHU",), "the air is taken as dry"),
    ],
)
def test_a_missing_field_is_said_with_what_takes_its_place(sigma, names, said):
    before, after = found(sigma), found(without(sigma, *names))
    new = [one for one in after if one not in before]
    assert len(new) == 1
    assert said in str(new[0])
    for name in names:
        assert name in new[0].lacks


def test_what_settings_do_not_use_is_not_missed(sigma):
    raw = without(sigma, "USTR", "SHTF", "WWND", "U10M", "T02M", "PBLH")
    config = ModelConfig(mets=METS, kbls=2, k10m=0, w_option=4)
    assert {one.lacks for one in stand_ins(names_of(raw), 1, config)} <= {"roughness (RGHS)"}
    config = ModelConfig(mets=METS, kmixd=0, kblt=3)
    said = stand_in_text("x", stand_ins(names_of(raw), 1, config))
    assert "kmixd: 0" in said
    assert "kblt: 3" in said
    assert said.count(". ") == 0


def test_nothing_lacking_is_not_said():
    assert stand_in_text("x", ()) == ""


def test_names_are_known_without_reading(tmp_path, pressure):
    pressure = without(pressure, "PRES")
    write_era5(tmp_path, [pressure])
    (ref,) = MetCatalogue(MetConfig(directory=tmp_path, format="era5")).select(TIME, TIME)
    read = read_analysis(ref)
    names = field_names(ref)
    assert set(names.surface) == set(read.surface)
    assert set(names.upper) == set(read.upper)
    assert "roughness (RGHS)" in lacking_fields("era5", ref, ModelConfig(mets=METS))
