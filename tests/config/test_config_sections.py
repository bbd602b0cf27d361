"""mets, grids, footprints, execution and the environment."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from stilt.config import (
    Bounds,
    ExecutionConfig,
    FootprintConfig,
    Grid,
    MetConfig,
    ModelConfig,
    RuntimeSettings,
)
from stilt.config.rstilt_names import RSTILT_SETTINGS
from stilt.errors import ConfigValidationError

MET = {"directory": "/data/met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
GRID = {"xmin": -113, "xmax": -110.5, "ymin": 40, "ymax": 42, "xres": 0.01, "yres": 0.01}


def config(**fields):
    return ModelConfig(**{"mets": {"hrrr": MET}, **fields})


@pytest.mark.parametrize("mets", [{}, None])
def test_at_least_one_meteorology_is_needed(mets):
    with pytest.raises(ConfigValidationError, match="mets: at least one meteorology"):
        ModelConfig(mets=mets)
    with pytest.raises(ConfigValidationError, match="mets: at least one meteorology"):
        ModelConfig()


def test_keys_of_rstilt_are_named_beside_what_lacks():
    with pytest.raises(ConfigValidationError, match="mets: at least one meteorology") as told:
        ModelConfig(**{"n_hours": -24, "xmn": -113})
    assert "unknown key 'xmn', which R-STILT has: here it is footprints" in str(told.value)


@pytest.mark.parametrize("name", ["HRRR", "hrrr_3km", "hrrr-3km", ""])
def test_met_names_fit_into_ids(name):
    with pytest.raises(ConfigValidationError, match="lower-case letters and digits"):
        config(mets={name: MET})


def test_blanks_around_a_folder_are_not_part_of_it(tmp_path):
    (tmp_path / " met").mkdir()
    assert MetConfig(**{**MET, "directory": f" {tmp_path} "}).directory == tmp_path
    assert MetConfig(**{**MET, "directory": f"{tmp_path}/ met"}).directory == tmp_path / " met"


def test_a_met_without_footprints_is_a_whole_configuration():
    only = ModelConfig(mets={"hrrr": MetConfig(**MET)})
    assert only.footprints == {}
    assert only.mets["hrrr"].file_interval == pd.Timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("15d", 360), ("1 day", 24), ("7 days", 168), ("6H", 6), ("3 hours", 3), ("90min", 1.5)],
)
def test_lengths_of_time_are_written_in_many_ways(text, hours):
    met = MetConfig(**{**MET, "file_tres": text})
    assert met.file_interval == pd.Timedelta(hours=hours)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"file_format": None}, "file_format is required when there is no source"),
        ({"file_tres": None}, "file_tres is required when there is no source"),
        ({"file_tres": "often"}, "file_tres: 'often' is not a length of time"),
        ({"file_tres": "0h"}, "between one minute and one year"),
        ({"file_tres": 6}, "file_tres: 6 has no unit: write 6h for hours"),
        ({"n_min": 0}, "n_min"),
        ({"subgrid_enable": True}, r"subgrid_bounds is required when subgrid_enable=True\."),
        ({"file_fmt": "x"}, "unknown key 'file_fmt': did you mean 'file_format'"),
        ({"source": "hrr"}, "unknown source 'hrr': known are .*hrrr"),
        ({"backend": "gopher"}, "backend"),
        ({"directory": ""}, "directory: a folder is needed"),
        ({"source_options": {"x": 1}}, "unknown key 'x'"),
    ],
)
def test_mistakes_in_a_met_are_named(fields, message):
    with pytest.raises(ConfigValidationError, match=message):
        MetConfig(**{**MET, **fields})


def test_keys_beside_a_source_go_to_the_source():
    met = MetConfig(directory="/data/met", source="nams", domain="ak")
    assert met.source_options == {"domain": "ak"}
    assert met.file_format is None


@pytest.mark.parametrize("text", ["1h", "6h", "24h", "1D", "h", "30min", "6 hours"])
def test_file_intervals_have_many_spellings(text):
    assert MetConfig(**{**MET, "file_tres": text}).file_interval > pd.Timedelta(0)


def test_folders_expand_home_and_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("WEATHER", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert MetConfig(**{**MET, "directory": "$WEATHER/a"}).directory == tmp_path / "a"
    met = MetConfig(**{**MET, "directory": "~/a"})
    assert met.directory == tmp_path / "a"
    assert met.subgrid_directory == tmp_path / "a" / "subgrid"


@pytest.mark.parametrize(
    "footprint",
    [GRID, {"grid": GRID}, {"grid": "slc"}, {"grid": Grid(**GRID)}, FootprintConfig(**GRID)],
)
def test_every_way_to_give_a_grid_means_the_same(footprint):
    found = config(grids={"slc": GRID}, footprints={"default": footprint})
    assert found.footprints["default"].grid == Grid(**GRID)
    assert found.footprints["default"] == FootprintConfig(**GRID)


@pytest.mark.parametrize(
    ("footprint", "message"),
    [
        ({"grid": "slk"}, r"footprints.f.grid: references unknown grid 'slk' \(grids: slc\)"),
        ({"smooth_factor": 2}, "footprints.f is missing a 'grid' key"),
        ({**GRID, "grid": "slc"}, "keep one"),
        ({"xmin": 1, "xmax": 2}, "footprints.f.grid.ymin is required"),
        ({**GRID, "xres": -1}, "footprints.f.grid.xres"),
        ({**GRID, "smooth_factr": 1}, "footprints.f: unknown key 'smooth_factr': .*smooth_factor"),
        ({"grid": {**GRID, "yress": 1}}, "footprints.f.grid: unknown key 'yress': .*'yres'"),
        ({**GRID, "smooth_factor": -1}, "smooth_factor"),
        ({**GRID, "projection": "+proj=nonsense"}, "not a projection that PROJ knows"),
        (3, "footprints.f"),
    ],
)
def test_mistakes_in_a_footprint_are_named(footprint, message):
    with pytest.raises(ConfigValidationError, match=message):
        config(grids={"slc": GRID}, footprints={"f": footprint})


@pytest.mark.parametrize("name", ["slc_error", "a/b", "", "a b", 1])
def test_footprint_names_fit_into_file_names(name):
    with pytest.raises(ConfigValidationError, match=r"footprints.* cannot be a name"):
        config(footprints={name: GRID})


@pytest.mark.parametrize(
    "edges",
    [
        {"xmin": -113, "xmax": -113},
        {"xmin": -110, "xmax": -113},
        {"xmin": -181},
        {"xmin": -180, "xmax": 200},
        {"ymin": 42, "ymax": 40},
        {"ymax": 91},
        {"xres": 5},
        {"yres": 2.1},
        {"xres": 1e-7, "yres": 1e-7},
        {"xmin": float("inf")},
    ],
)
def test_grids_without_sense_are_refused(edges):
    with pytest.raises(ConfigValidationError, match=next(iter(edges))):
        Grid(**{**GRID, **edges})


@pytest.mark.parametrize("edges", [(170, -170), (170, 190), (-180, 180), (0, 360)])
def test_grids_may_cross_the_dateline_and_go_round(edges):
    grid = Grid(**{**GRID, "xmin": edges[0], "xmax": edges[1]})
    assert grid.width_deg in (20, 360)


def test_projected_grids_count_cells_in_metres():
    grid = Grid(**{**GRID, "xres": 3000, "yres": 3000, "projection": "+proj=utm +zone=12"})
    assert not grid.is_longlat


def test_bounds_and_grids_are_hashable_values():
    assert len({Grid(**GRID), Grid(**GRID)}) == 1
    assert Bounds(xmin=1, xmax=2, ymin=3, ymax=4) == Bounds(xmin=1.0, xmax=2, ymin=3, ymax=4)


def test_transforms_are_filled_in_and_checked():
    footprint = FootprintConfig(
        **GRID,
        transforms=[
            {"kind": "first_order_lifetime", "lifetime_hours": 4},
            {"kind": "vertical_operator", "mode": "ak", "levels": [0, 10], "values": [1, 0.5]},
        ],
    )
    assert footprint.transforms[0] == {
        "kind": "first_order_lifetime",
        "lifetime_hours": 4.0,
        "time_column": "time",
        "time_unit": "min",
    }
    assert footprint.transforms[1]["coordinate"] == "xhgt"


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"kind": "lifetime"}, "transforms.0.kind: unknown kind of transform 'lifetime'"),
        ({"kind": "vertical_operater"}, "did you mean 'vertical_operator'"),
        ({}, "unknown kind of transform None"),
        ("decay", "a transform is a mapping"),
        ({"kind": "first_order_lifetime"}, "lifetime_hours is required"),
        ({"kind": "first_order_lifetime", "lifetime_hours": 0}, "lifetime_hours"),
        (
            {"kind": "first_order_lifetime", "lifetime_hours": 1, "time_unit": "weeks"},
            "unknown unit 'weeks'",
        ),
        ({"kind": "vertical_operator", "mode": "ak"}, "levels is required"),
        (
            {"kind": "vertical_operator", "mode": "ak", "levels": [1, 2], "values": [1]},
            "equal lengths",
        ),
        ({"kind": "vertical_operator", "mode": "akk"}, "mode"),
        ({"kind": "vertical_operator", "level": [1]}, "unknown key 'level': did you mean 'levels'"),
    ],
)
def test_mistakes_in_a_transform_are_named(transform, message):
    with pytest.raises(ConfigValidationError, match=message):
        FootprintConfig(**GRID, transforms=[transform])


def test_local_execution_is_strict_and_other_backends_have_options():
    assert ExecutionConfig() == ExecutionConfig(backend="local", n_workers=1, device="auto")
    with pytest.raises(ConfigValidationError, match=r"unknown key 'n_worker': .*'n_workers'"):
        ExecutionConfig(n_worker=4)
    other = ExecutionConfig(backend="dask", n_workers=8, cluster="slurm", options={"queue": "x"})
    assert other.options == {"cluster": "slurm", "queue": "x"}
    assert ExecutionConfig(**other.to_dict()) == other
    for fields in ({"n_workers": 0}, {"n_workers": True}, {"device": "tpu"}, {"backend": ""}):
        with pytest.raises(ConfigValidationError, match=next(iter(fields))):
            ExecutionConfig(**fields)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("n_cores", "execution.n_workers"),
        ("met_path", "mets.NAME.directory"),
        ("xmn", "footprints.NAME.grid.xmin"),
        ("xres", "footprints.NAME.grid.xres"),
        ("run_trajec", "skip_existing"),
        ("long", "receptors.csv"),
    ],
)
def test_a_setting_of_r_stilt_is_led_to_its_place(name: str, meant: str):
    with pytest.raises(ConfigValidationError, match=f"'{name}', which R-STILT has: .*{meant}"):
        config(**{name: 1})


def test_every_setting_of_r_stilt_is_led_to_one_that_exists():
    sections = {"mets": MetConfig, "execution": ExecutionConfig, "footprints": FootprintConfig}
    for meant in RSTILT_SETTINGS.values():
        words = meant.split(",")[0].split(":")[0].removesuffix(" ").split(".")
        if words[0] not in sections or len(words) == 1:
            continue
        section = sections[words[0]]
        if "grid" in words:
            section = Grid
        assert words[-1] in section.model_fields, meant


def test_edges_of_a_projected_grid_in_metres_are_led_to_degrees():
    edges = {"xmin": -200000, "xmax": 200000, "ymin": -200000, "ymax": 200000}
    with pytest.raises(ConfigValidationError, match="looks like metres: edges are in degrees"):
        Grid(**edges, xres=1000, yres=1000, projection="+proj=utm +zone=12")


def test_unknown_keys_name_the_nearest_known_one():
    with pytest.raises(ConfigValidationError, match="unknown key 'nhours': did you mean 'n_hours'"):
        config(nhours=-24)
    with pytest.raises(ConfigValidationError, match="unknown key 'zzz'"):
        config(zzz=1)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"execution": {1: 2}}, "execution"),
        ({"mets": {"hrrr": {1: 2}}}, "mets.hrrr"),
        ({"grids": {"g": {1: 2}}}, "grids.g"),
        ({"footprints": {"f": {"grid": {1: 2}}}}, "footprints.f.grid"),
    ],
)
def test_keys_are_text_at_every_level(fields, place):
    with pytest.raises(ConfigValidationError, match=f"^{place}: [12] cannot be a name or a key"):
        config(**fields)


def test_a_decimal_comma_is_told_of():
    grid = yaml.safe_load("{xmin: -112, xmax: -111, ymin: 40, ymax: 41, xres: 0,05, yres: 0,05}")
    with pytest.raises(
        ConfigValidationError, match=r"5 cannot be .*; decimal numbers have a point"
    ):
        config(footprints={"f": {"grid": grid}})


@pytest.mark.parametrize("section", ["mets", "grids", "footprints", "execution"])
@pytest.mark.parametrize("value", [5, "x", [1], {"a": 5}])
def test_sections_of_a_wrong_shape_are_named(section, value):
    with pytest.raises(ConfigValidationError, match=section):
        config(**{section: value})


def test_many_mistakes_are_cut_short():
    with pytest.raises(ConfigValidationError, match=r"and 1 more$"):
        Grid()


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigValidationError) as caught:
        config(numpar=0, execution={"n_workers": 0}, footprints={"f": {**GRID, "xres": 0}})
    for name in ("numpar", "execution.n_workers", "footprints.f.grid.xres"):
        assert name in str(caught.value)


def test_runtime_settings_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("STILT_COMPUTE_ROOT", str(tmp_path))
    monkeypatch.setenv("STILT_MAX_ROWS", "5")
    monkeypatch.setenv("STILT_CACHE_DIR", "")
    settings = RuntimeSettings()
    assert (settings.compute_root, settings.max_rows, settings.cache_dir) == (tmp_path, 5, None)
    assert RuntimeSettings(compute_root="/x").compute_root == Path("/x")
    monkeypatch.setenv("STILT_MAX_ROWS", "0")
    with pytest.raises(ConfigValidationError, match="STILT_MAX_ROWS"):
        RuntimeSettings()
    with pytest.raises(ConfigValidationError, match="unknown runtime setting 'rows'"):
        RuntimeSettings(max_rows=1, rows=1)
