"""Averaging kernels by receptor, from a table to the footprints of a run."""

import numpy as np
import pandas as pd
import pytest

import stilt
from stilt.errors import ConfigValidationError, FootprintError, UsageError
from stilt.observations import Soundings
from stilt.project.kernels import Kernels, KernelTable

PLACE = "2023-07-15 18:00:00", -111.85, 40.77
COLUMN = stilt.ColumnReceptor(*PLACE, 0.0, 2000.0)
OTHER = stilt.ColumnReceptor("2023-07-15 19:00:00", -111.85, 40.77, 0.0, 2000.0)


def soundings(values, times=("2023-07-15 18:00", "2023-07-15 19:00")) -> Soundings:
    count = len(times)
    table = pd.DataFrame(
        {
            "sounding_id": [f"s{n}" for n in range(count)], "time": pd.to_datetime(list(times)),
            "longitude": -111.85, "latitude": 40.77, "value": 1900.0, "uncertainty": 2.0,
            "units": "ppb", "species": "ch4", "sensor": "t", "good": True,
        }
    )  # fmt: skip
    return Soundings(
        table,
        {
            "ak_pressure_hpa": np.tile([900.0, 500.0, 100.0], (count, 1)),
            "ak": np.asarray(values, np.float64),
        },
    )


def test_parts_of_a_table_are_read_as_receptors_ask(tmp_path):
    ids = [f"r{number:05d}" for number in range(30_000)]
    rows = pd.DataFrame(
        {
            "receptor": np.repeat(ids, 2),
            "pressure_hpa": np.tile([900.0, 100.0], 30_000),
            "kernel": np.arange(60_000.0) / 1000.0,
        }
    )
    path = tmp_path / "k.parquet"
    rows.to_parquet(path, row_group_size=20_000)
    table = KernelTable(path)
    assert table.of("r12345") == ([900.0, 100.0], [24.690, 24.691])
    # One of three groups of rows is in memory.
    assert table._group.cache_info().currsize == 1
    assert table.of("r00000") == ([900.0, 100.0], [0.0, 0.001])
    assert table.of("r99999") is None
    shuffled = tmp_path / "shuffled.parquet"
    rows.sample(frac=1.0, random_state=0).to_parquet(shuffled, row_group_size=20_000)
    levels, values = KernelTable(shuffled).of("r12345")
    assert sorted(zip(levels, values, strict=True)) == [(100.0, 24.691), (900.0, 24.690)]
    rows.iloc[:4].rename(columns={"pressure_hpa": "height_m"}).to_csv(tmp_path / "k.csv")
    by_height = KernelTable(tmp_path / "k.csv")
    assert by_height.coordinate == "height_m"
    assert by_height.of("r00001") == ([900.0, 100.0], [0.002, 0.003])


def test_tables_that_cannot_be_used_are_named(tmp_path):
    path = tmp_path / "k.parquet"
    pd.DataFrame({"receptor": ["a", "a"], "kernel": [1.0, 2.0]}).to_parquet(path)
    with pytest.raises(UsageError, match="one of pressure_hpa or height_m"):
        KernelTable(path)
    frame = pd.DataFrame({"receptor": ["a", "a"], "pressure_hpa": [1.0, 1.0], "kernel": [1.0, 2.0]})
    frame.to_parquet(path)
    with pytest.raises(UsageError, match="a level twice"):
        KernelTable(path).of("a")
    path.write_text("nothing")
    with pytest.raises(UsageError, match="not a Parquet file"):
        KernelTable(path)


@pytest.mark.parametrize(
    ("column", "numbers", "told"),
    [
        (
            "pressure_hpa",
            [90_000.0, 50_000.0],
            "pressure_hpa, a: 90000 is no pressure in hPa",
        ),
        ("pressure_hpa", [0.9, 0.5], "reach only 0.9 hPa: if they are shares of the surface"),
        ("height_m", [0.0, 2.0], "reach only 2 m above ground: if they are in km"),
        ("kernel", [1.0, -999.0], "column kernel, a: -999 is no value of a column averaging"),
        ("kernel", [98.0, 101.0], "column kernel, a: 98 is no value of a column averaging"),
    ],
)
def test_levels_in_other_units_and_fill_values_are_refused(tmp_path, column, numbers, told):
    """Beyond its levels a kernel is constant, so that they would go unnoticed."""
    frame = pd.DataFrame({"receptor": "a", "pressure_hpa": [900.0, 500.0], "kernel": [1.0, 0.9]})
    if column == "height_m":
        frame = frame.drop(columns="pressure_hpa")
    frame[column] = numbers
    for name in ("k.csv", "k.parquet"):
        path = tmp_path / name
        frame.to_csv(path) if name == "k.csv" else frame.to_parquet(path)
        with pytest.raises(UsageError, match=told):
            KernelTable(path).of("a")
    levels = "levels" if column != "kernel" else "values"
    values = {"levels": frame.iloc[:, 1].tolist(), "values": frame["kernel"].tolist()}
    values |= {levels: numbers, "coordinate": column if column == "height_m" else "pressure_hpa"}
    with pytest.raises(ConfigValidationError, match=told.split(", a: ")[-1]):
        footprint({"kind": "averaging_kernel", **values})


def test_pressures_of_a_vertical_operator_are_in_hpa():
    one = {"kind": "vertical_operator", "mode": "ak", "values": [1.0, 0.5], "coordinate": "pres"}
    footprint({**one, "levels": [900.0, 500.0]})
    with pytest.raises(ConfigValidationError, match="90000 is no pressure in hPa"):
        footprint({**one, "levels": [90_000.0, 50_000.0]})


def test_csv_tables_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "k.csv"
    path.write_text("receptor;pressure_hpa;kernel\na;900;1\n")
    with pytest.raises(UsageError, match="the columns are separated by semicolons"):
        KernelTable(path)
    path.write_text("receptor,pressure_hpa,kernel\na,900 hPa,1\n")
    with pytest.raises(UsageError, match="column pressure_hpa: '900 hPa' is not a number"):
        KernelTable(path)
    path.write_bytes(b"\xef\xbb\xbfreceptor,pressure_hpa,kernel\na,900,1\na,500,0.5\n")
    assert KernelTable(path).of("a") == ([900.0, 500.0], [1.0, 0.5])


def footprint(*transforms) -> stilt.FootprintConfig:
    grid = {"xmin": -113, "xmax": -111, "ymin": 40, "ymax": 41.5, "xres": 0.1, "yres": 0.1}
    return stilt.FootprintConfig(grid=grid, transforms=list(transforms))


def test_a_receptor_gets_its_own_kernel(tmp_path):
    frame = pd.DataFrame(
        {"receptor": [str(COLUMN.id)] * 2, "pressure_hpa": [900.0, 500.0], "kernel": [1.0, 0.5]}
    )
    frame.to_parquet(tmp_path / "k.parquet")
    settings = footprint({"kind": "averaging_kernel", "table": "k.parquet"})
    kernels = Kernels([tmp_path])
    (bound,) = kernels.bound(settings, COLUMN).transforms
    assert (bound["levels"], bound["values"], bound["table"]) == ([900.0, 500.0], [1.0, 0.5], None)
    with pytest.raises(FootprintError, match="no kernel of 202307151900"):
        kernels.bound(settings, OTHER)
    keeping = footprint({"kind": "averaging_kernel", "table": "k.parquet", "others": "keep"})
    assert kernels.bound(keeping, OTHER).transforms == []
    given = {"column": settings, "both": keeping}
    assert kernels.lacking(given, [COLUMN]) == []
    (told,) = kernels.lacking(given, [COLUMN, OTHER])
    assert told.startswith(f"1 of 2 receptors have no kernel in k.parquet, {OTHER.id} for example")
    assert told.endswith("this transform of the footprint column they count unweighted.")
    frame.to_csv(tmp_path / "k.csv", index=False)
    table = footprint({"kind": "averaging_kernel", "table": "k.csv"})
    assert len(kernels.lacking({"column": table}, [OTHER])) == 1
    with pytest.raises(FootprintError, match=r"no table of kernels .*gone\.parquet"):
        kernels.bound(footprint({"kind": "averaging_kernel", "table": "gone.parquet"}), COLUMN)
    frame.assign(kernel=2.0).to_parquet(tmp_path / "k.parquet")
    assert kernels.bound(settings, COLUMN).transforms[0]["values"] == [2.0, 2.0]


@pytest.fixture
def model(weather, tmp_path):
    met = {"directory": str(weather), "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    table = {"kind": "averaging_kernel", "table": "observations/t-kernels.parquet"}
    weighted = {"kind": "pressure_weighting"}
    config = stilt.ModelConfig(
        mets={"demo": met},
        footprints={
            "plain": footprint(),
            "kernel": footprint(table),
            "column": footprint(table, weighted),
            "air": footprint(weighted),
        },
        n_hours=-1,
        numpar=50,
        seed=1,
    )
    return stilt.Model(tmp_path / "case", config=config)


def test_kernels_of_a_run(model):
    model.observe(soundings([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5]]), "t", top=2000.0)
    ids = model.register_pending()
    summary = stilt.push_simulations(model, ids)
    assert summary.failed == 0
    plain, kernel, column, air = (
        model.footprints[name].load() for name in ("plain", "kernel", "column", "air")
    )
    # A kernel of ones is the plain footprint, one of halves half of it.
    np.testing.assert_allclose(kernel[0].data, plain[0].data, rtol=1e-6)
    np.testing.assert_allclose(kernel[1].data, plain[1].data / 2, rtol=1e-6)
    np.testing.assert_allclose(column[1].data, air[1].data / 2, rtol=1e-6)
    assert 0 < air[0].total < plain[0].total
    assert kernel[1].config.transforms[0]["values"] == [0.5, 0.5, 0.5]
    assert model.pending() == []
    # Another sounding leaves the others' footprints as they are; another kernel does not.
    more = soundings([[1.0] * 3, [0.5] * 3, [0.7] * 3],
                     ("2023-07-15 18:00", "2023-07-15 19:00", "2023-07-15 20:00"))  # fmt: skip
    model.observe(more, "t", top=2000.0)
    assert len(model.pending()) == 1
    model.observe(soundings([[1.0] * 3, [0.9] * 3]), "t", top=2000.0)
    assert len(model.pending()) == 3


def test_release_pressures_are_those_of_the_weather(model):
    from stilt.transforms.pressure import pressure_weights
    from stilt.transforms.release import pressure_profile

    model.observe(soundings([[1.0] * 3], ("2023-07-15 18:00",)), "t", top=2000.0)
    stilt.push_simulations(model, model.register_pending())
    (trajectories,) = model.trajectories.load()
    met = model.config.mets["demo"]
    heights = np.array([50.0, 1000.0, 1950.0])
    point = dict(zip(("time", "longitude", "latitude"), PLACE, strict=True))
    seen = stilt.sample_meteorology(met, [point]).isel(meteorology=0, point=0)
    pressure = np.interp(heights, seen["height"], seen["air_pressure"])
    pressure /= {"Pa": 100.0, "hPa": 1.0}[seen["air_pressure"].attrs["units"]]
    told = pressure_profile(trajectories.particles).at(heights)
    np.testing.assert_allclose(told, pressure, atol=0.5)
    weights = pressure_weights(trajectories.particles, trajectories.receptor)
    profile = pressure_profile(trajectories.particles)
    expected = (profile.surface_hpa - profile.at(2000.0)) / profile.surface_hpa
    assert weights.sum() == pytest.approx(expected, rel=1e-9)


def test_a_missing_kernel_fails_one_footprint_with_its_cause(model):
    model.observe(soundings([[1.0] * 3], ("2023-07-15 18:00",)), "t", top=2000.0)
    model = stilt.Model(model.project, config=model.config, receptors=[COLUMN, OTHER])
    stilt.push_simulations(model, model.register_pending())
    (failure,) = model.failures()
    assert failure["reason"] == "FOOTPRINT_FAILED"
    assert "has no kernel of" in failure["detail"]


def test_columns_a_transform_needs_must_be_kept():
    met = {"directory": "/data/met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
    with pytest.raises(stilt.errors.ConfigValidationError, match="mass_weighting needs dmas"):
        stilt.ModelConfig(
            mets={"hrrr": met}, footprints={"a": footprint({"kind": "mass_weighting"})}
        )


def test_a_table_that_is_not_there_stops_a_run_before_it_begins(model):
    model = stilt.Model(model.project, config=model.config, receptors=[COLUMN])
    with pytest.raises(UsageError, match=r"'kernel' needs the table .*t-kernels\.parquet"):
        model.run()
