"""Every field has a description, a default that passes, and a range."""

import json

import pytest

from stilt.config import ModelConfig, iter_documented_fields
from stilt.config.run import DEFAULT_CODES, PARTICLE_CODES
from stilt.config.support import FIXED_BECAUSE, SUPPORT
from stilt.config.transport import TransportParameters

MET = {"directory": "/data/met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
GRID = {"xmin": -113, "xmax": -110.5, "ymin": 40, "ymax": 42, "xres": 0.01, "yres": 0.01}


def config(**fields):
    return ModelConfig(mets={"hrrr": MET}, **fields)


def test_every_field_is_described_with_unit_and_visibility():
    fields = list(iter_documented_fields())
    assert len(fields) > 120
    for field in fields:
        assert len(field.description) > 5, field
        assert field.visibility in ("basic", "advanced", "expert"), field
        assert field.unit in field.description
        assert field.type
        assert field.default


def test_every_field_of_the_model_is_documented_once():
    documented = [field.name for field in iter_documented_fields() if not field.path]
    assert sorted(documented) == sorted(ModelConfig.model_fields)


# The defaults a user of this family of models expects, written out.
@pytest.mark.parametrize(
    ("name", "value"),
    {
        "n_hours": -24, "numpar": 200, "hnf_plume": True, "rm_dat": True, "skip_existing": True,
        "trajectories": True, "delt": 1, "veght": 0.5, "kmix0": 150, "kmixd": 3, "kbls": 1,
        "kblt": 5, "kzmix": 0, "tvmix": 1, "tkerd": 0.18, "tkern": 0.18, "tlfrac": 0.1,
        "tratio": 0.75, "hscale": 10800, "vscale": 200, "vscaleu": 200, "vscales": -1, "nturb": 0,
        "capemin": -1, "idsp": 2, "ichem": 8, "kdef": 0, "krand": 4, "seed": None, "krnd": 6,
        "kmsl": None, "kagl": 1, "k10m": 1, "outdt": 0, "tout": 0, "z_top": 25000,
        "zicontroltf": 0, "ziscale": 1.0, "wvert": False, "maxpar": None, "mgmin": 10,
        "w_option": 0, "wbbh": 0, "wbwf": 0, "wbwr": 0, "maxdim": 1, "initd": 0, "khinp": 0,
        "khmax": 9999, "mhrs": 9999, "frhmax": 3, "frhs": 1, "frme": 0.1, "frmr": 0, "frts": 0.1,
        "frvs": 0.01, "dxf": 1, "dyf": 1, "dzf": 0.01, "p10f": 1, "cmass": 0, "conage": 48,
        "cpack": 1, "efile": "", "emisshrs": 0.01, "kpuff": 0, "kspl": 1, "splitf": 1, "kwet": 1,
        "rhb": 80, "rht": 60, "nbptyp": 1, "ncycl": 0, "ndump": 0, "ninit": 1, "nstr": 0,
        "nver": 0, "pinbc": "", "pinpf": "", "poutf": "", "qcycle": 0,
    }.items(),
)  # fmt: skip
def test_defaults(name, value):
    assert getattr(config(), name) == value
    assert config(**{name: value}) == config()


def test_default_columns_are_among_the_29():
    assert config().varsiwant == DEFAULT_CODES
    assert len(set(PARTICLE_CODES)) == 29
    assert set(DEFAULT_CODES) <= set(PARTICLE_CODES)


@pytest.mark.parametrize("name", sorted(set(TransportParameters.model_fields) - set(SUPPORT)))
def test_settings_without_meaning_here_are_refused_by_name(name):
    default = TransportParameters.model_fields[name].default
    other = {bool: not default, str: "file"}.get(type(default))
    with pytest.raises(ValueError, match=f"{name}: .*keep its default"):
        config(**{name: default + 1 if other is None else other})


def test_the_table_of_supported_settings_names_real_fields():
    assert set(SUPPORT) <= set(TransportParameters.model_fields)
    assert set(FIXED_BECAUSE) <= set(TransportParameters.model_fields) - set(SUPPORT)


def test_the_time_step_says_why_it_is_fixed():
    with pytest.raises(ValueError, match=r"delt: 5 .*STILT mode forces a time step of one minute"):
        config(delt=5)


@pytest.mark.parametrize(
    "fields",
    [
        {"kmixd": 10}, {"kmixd": 700}, {"kbls": 2}, {"kblt": 4}, {"vscales": 200}, {"kmsl": 1},
        {"outdt": 60}, {"w_option": 2}, {"krand": 2}, {"krnd": 99}, {"seed": -5}, {"veght": 100},
        {"numpar": 10, "maxpar": 10}, {"n_hours": 24}, {"ziscale": [1, 0.5]}, {"tkerd": "1e-1"},
    ],
)  # fmt: skip
def test_supported_values_are_accepted(fields):
    config(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"kmixd": 4}, {"kbls": 3}, {"kblt": 6}, {"kzmix": 3}, {"vscales": 0}, {"kmsl": 2},
        {"outdt": -1}, {"w_option": 6}, {"veght": 0}, {"numpar": 0}, {"numpar": True},
        {"numpar": 10.5}, {"n_hours": 0}, {"n_hours": 10**6}, {"maxpar": 10}, {"tlfrac": 0},
        {"kmix0": -1}, {"z_top": 10}, {"hscale": float("nan")}, {"ziscale": []},
        {"ziscale": [[1], [2]]}, {"ziscale": ["a"]}, {"ziscale": -5}, {"seed": "x"},
        {"hnf_plume": 2}, {"siguverr": -1, "tluverr": 1, "zcoruverr": 1, "horcoruverr": 1},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        config(**fields)


def test_mixed_layer_factors_expand_to_one_an_hour():
    assert config(ziscale=0.8).ziscale_factors(-3) == (0.8, 0.8, 0.8)
    assert config(ziscale=[[1, 2]]).ziscale == config(ziscale=[1, 2]).ziscale == (1.0, 2.0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["time", "fooot"], "unknown particle column 'fooot': did you mean 'foot'"),
        ("time", "must be a list"),
        ([], "at least one"),
        (["time", "time"], "names time more than once"),
        (["time", "foot"], r"hnf_plume=True requires varsiwant to include: \['dens', 'mlht'"),
    ],
)
def test_columns_are_checked(columns, message):
    with pytest.raises(ValueError, match=message):
        config(varsiwant=columns)


def test_footprints_need_positions_and_influence():
    with pytest.raises(ValueError, match=r"footprints require varsiwant to include: \['foot'"):
        config(varsiwant=["time"], hnf_plume=False, footprints={"default": GRID})
    assert config(varsiwant=["time"], hnf_plume=False).varsiwant == ("time",)


def test_leaving_nothing_to_compute_is_refused():
    with pytest.raises(ValueError, match="trajectories: false leaves nothing to compute"):
        config(trajectories=False)
    assert not config(trajectories=False, footprints={"default": GRID}).trajectories


WIND = {"siguverr": 2.6, "tluverr": 260, "zcoruverr": 450, "horcoruverr": 14}
HEIGHT = {"sigzierr": 0.0, "tlzierr": 10, "horcorzierr": 5}


@pytest.mark.parametrize(
    ("fields", "flag"), [({}, 0), (WIND, 1), (HEIGHT, 2), ({**WIND, **HEIGHT}, 3)]
)
def test_complete_error_groups_turn_error_runs_on(fields, flag):
    assert config(**fields).winderrtf == flag
    assert config(**fields).error_run == (flag > 0)


@pytest.mark.parametrize("group", [WIND, HEIGHT])
def test_incomplete_error_groups_are_refused(group):
    for name in group:
        partial = {key: value for key, value in group.items() if key != name}
        with pytest.raises(ValueError, match=f"Inconsistent XY/ZI error parameters.*{name}"):
            config(**partial)


def test_an_error_footprint_needs_an_error_run():
    with pytest.raises(ValueError, match=r"footprints\.default\.error needs|error: needs"):
        config(footprints={"default": {**GRID, "error": True}})
    config(footprints={"default": {**GRID, "error": True}}, **WIND)


# Changing any of these must not make a stored trajectory look outdated.
@pytest.mark.parametrize(
    "fields",
    [
        {"skip_existing": False}, {"rm_dat": False}, {"footprints": {"default": GRID}},
        {"execution": {"n_workers": 4}}, {"krand": 2}, {"krnd": 1}, {"maxpar": 5000}, WIND,
    ],
)  # fmt: skip
def test_transport_hash_ignores_what_cannot_change_particles(fields):
    assert config(**fields).transport_dict() == config().transport_dict()


@pytest.mark.parametrize(
    "fields",
    [
        {"n_hours": -6},
        {"numpar": 300},
        {"seed": 1},
        {"hnf_plume": False},
        {"kmixd": 0},
        {"outdt": 5},
    ],
)
def test_transport_hash_sees_what_changes_particles(fields):
    assert config(**fields).transport_dict() != config().transport_dict()


def test_error_parameters_count_for_the_error_run_only():
    assert config(**WIND).transport_dict(error_run=True) != config().transport_dict(error_run=True)
    json.dumps(config(**WIND).transport_dict(error_run=True))


def test_dictionaries_are_plain_and_read_back():
    full = config(footprints={"default": GRID}, execution={"backend": "dask", "cluster": "x"})
    data = json.loads(json.dumps(full.to_dict()))
    assert ModelConfig(**data) == full


def test_configurations_do_not_change_but_copies_may_differ():
    original = config()
    with pytest.raises(ValueError, match="frozen"):
        original.numpar = 3
    assert original.with_changes(numpar=3).numpar == 3
    with pytest.raises(ValueError, match="numpar"):
        original.with_changes(numpar=-3)
