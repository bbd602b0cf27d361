"""Readers on small files with the structure of the products."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from product_files import (
    GGG,
    write_blended_tropomi,
    write_oco2,
    write_tccon,
    write_tropomi,
    write_wfmd,
)

from stilt.config import Bounds
from stilt.config.base import ConfigFieldError
from stilt.config.observations import ObservationsConfig
from stilt.errors import UsageError
from stilt.observations import (
    Soundings,
    read_files,
    read_ggg,
    read_oco2,
    read_tccon,
    read_tropomi,
    read_wfmd,
)
from stilt.project.observed import soundings_of

PRODUCTS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "products"


def test_tropomi_is_read_from_the_surface_up(tmp_path):
    found = read_tropomi(write_tropomi(tmp_path / "S5P_OFFL_L2__CH4____x.nc"))
    assert len(found) == 6
    first = found.table.iloc[0]
    assert first["sounding_id"] == "31176-7-1"
    # 2010-01-01 + 435369600 s + 72000.4 s, to the second.
    assert first["time"] == pd.Timestamp("2023-10-19 20:00:00")
    assert found.table["time"].iloc[3] == pd.Timestamp("2023-10-19 20:00:02")
    assert (first["longitude"], first["latitude"]) == (-111.9, 40.0)
    assert first["value"] == 1901.0
    assert first["surface_pressure_hpa"] == 864.0
    assert first["azimuth_deg"] == 270.0
    assert found.table["good"].tolist() == [True, True, False, True, False, False]
    assert np.isnan(found.table["value"].iloc[5])
    np.testing.assert_allclose(found.profiles["pressure_levels_hpa"][0], 864 - 72 * np.arange(13))
    np.testing.assert_allclose(found.profiles["ak_pressure_hpa"][0], 828 - 72 * np.arange(12))
    np.testing.assert_allclose(found.profiles["ak"][0], np.linspace(1.15, 0.6, 12), rtol=1e-6)
    np.testing.assert_allclose(found.profiles["apriori"][0], np.linspace(2100, 1000, 12), rtol=1e-6)
    assert found.profiles["altitude_levels_m"][0, 0] == 1300


def test_blended_tropomi_has_the_blended_value(tmp_path):
    found = read_tropomi(write_blended_tropomi(tmp_path / "S5P_BLND_L2__CH4____x.nc"))
    first = found.table.iloc[0]
    assert first["value"] == 1870
    assert first["longitude"] == -178.5
    assert first["time"] == pd.Timestamp("2023-10-19 20:31:41")
    assert found.profiles["ak"][0, 0] == pytest.approx(1.15)
    np.testing.assert_allclose(found.profiles["apriori"], 1850, rtol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
def test_wfmd_is_read_from_the_surface_up(tmp_path, turned):
    path = write_wfmd(tmp_path / "ESACCI-GHG-L2-CH4-CO-TROPOMI-WFMD-20231019-fv1.nc", turned)
    found = read_files(path, "wfmd")
    assert found.table["time"].iloc[1] == pd.Timestamp("2023-10-19 20:00:01")
    assert found.table["good"].tolist() == [True, False]
    first = found.table.iloc[0]
    assert (first["longitude"], first["value"], first["units"]) == (-111.9, 1885.0, "ppb")
    assert first["surface_pressure_hpa"] == 860.0
    np.testing.assert_allclose(found.profiles["pressure_levels_hpa"][0], [860, 600, 300, 0])
    # Middles of three layers.
    np.testing.assert_allclose(found.profiles["ak_pressure_hpa"][0], [730, 450, 150])
    np.testing.assert_allclose(found.profiles["ak"][0], [1.1, 1.0, 0.6])
    np.testing.assert_allclose(found.profiles["apriori"][0], [1900, 1850, 1500])
    assert read_wfmd(path).select().table.shape[0] == 1


def test_oco2_is_read_from_the_surface_up(tmp_path):
    found = read_oco2(write_oco2(tmp_path / "oco2_LtCO2_231019.nc4"))
    assert found.table["sounding_id"].iloc[0] == "2023101919480000"
    assert found.table["time"].iloc[2] == pd.Timestamp("2023-10-19 19:48:01")
    assert found.table["good"].tolist() == [True, False, True]
    assert found.profiles["ak_pressure_hpa"][0, 0] == pytest.approx(868)
    assert found.profiles["ak"][0, 0] == pytest.approx(1.1)
    assert found.profiles["apriori"][0, 0] == pytest.approx(420)
    # The third has no value, whatever its flag says.
    assert len(found.select()) == 1


def test_oco2_numbers_stored_as_floats_are_the_same_ids(tmp_path):
    path = write_oco2(tmp_path / "oco2_LtCO2_231019.nc4")
    with h5py.File(path, "r+") as file:
        numbers = file["sounding_id"][...].astype(np.float64)
        del file["sounding_id"]
        file["sounding_id"] = numbers
    assert read_oco2(path).table["sounding_id"].iloc[0] == "2023101919480000"


def test_tccon_has_kernels_and_priors_in_the_unit_of_the_value(tmp_path):
    path = write_tccon(tmp_path / "ab20230715_20230716.public.qc.nc")
    found = read_tccon(path, species="ch4")
    assert found.table["units"].iloc[0] == "ppm"
    assert found.table["surface_altitude_m"].iloc[0] == pytest.approx(1450)
    assert found.table["azimuth_deg"].iloc[0] == 250
    np.testing.assert_allclose(found.profiles["apriori"], 1.9, rtol=1e-6)
    np.testing.assert_allclose(found.profiles["ak"][1], [1.2, 1.0, 0.8, 0.5], rtol=1e-6)
    with pytest.raises(UsageError, match=r"no gas 'co': it has ch4, co2"):
        read_tccon(path, species="co")


def test_private_tccon_kernels_go_by_slant_column(tmp_path):
    found = read_tccon(write_tccon(tmp_path / "ab.private.nc", private=True))
    # Slant columns 420 x 1.5 and 630 x 2: half way in the first bin, and the end of the last.
    np.testing.assert_allclose(found.profiles["ak"][0], 0.95)
    np.testing.assert_allclose(found.profiles["ak"][1], 0.7)
    np.testing.assert_allclose(found.profiles["apriori"], 420)
    assert found.table["good"].tolist() == [True, False]


def edited(path, **values):
    """Replace variables of a file: an array, or an array and attributes."""
    with h5py.File(path, "r+") as file:
        for name, given in values.items():
            array, attrs = given if isinstance(given, tuple) else (given, {})
            kept = {**file[name].attrs, **attrs}
            del file[name]
            file.create_dataset(name, data=array).attrs.update(kept)
    return path


def test_units_of_a_file_count(tmp_path):
    usual = read_wfmd(write_wfmd(tmp_path / "usual.nc"))
    days = np.array([1697745600.0, 1697745601.0]) / 86_400
    other = edited(
        write_wfmd(tmp_path / "other.nc"),
        time=(days, {"units": "days since 1970-01-01 00:00:00"}),
        pressure_levels=(
            np.tile([86000.0, 60000.0, 30000.0, 0.0], (2, 1)), {"units": "Pa"}
        ),
        xch4=(np.array([1.885, 1.890]), {"units": "1e-6"}),
    )  # fmt: skip
    found = read_wfmd(other)
    assert list(found.table["time"]) == list(usual.table["time"])
    np.testing.assert_allclose(found.table["value"], usual.table["value"])
    for name, profile in usual.profiles.items():
        np.testing.assert_allclose(found.profiles[name], profile)
    inputs = "PRODUCT/SUPPORT_DATA/INPUT_DATA"
    shape = (1, 2, 3)
    hpa = edited(
        write_tropomi(tmp_path / "hpa.nc"),
        **{
            f"{inputs}/surface_pressure": (np.full(shape, 864.0), {"units": "hPa"}),
            f"{inputs}/pressure_interval": (np.full(shape, 72.0), {"units": "hPa"}),
        },
    )
    profiles = read_tropomi(write_tropomi(tmp_path / "pa.nc")).profiles
    np.testing.assert_allclose(read_tropomi(hpa).profiles["ak_pressure_hpa"],
                               profiles["ak_pressure_hpa"])  # fmt: skip


def test_soundings_without_a_time_are_left_out(tmp_path):
    lines = np.array([[-2147483647, 72001600]], np.int32)
    path = edited(
        write_tropomi(tmp_path / "s5p.nc"),
        **{"PRODUCT/delta_time": (lines, {"_FillValue": np.int32(-2147483647)})},
    )
    found = read_tropomi(path)
    assert set(found.table["sounding_id"].str.split("-").str[1]) == {"8"}
    times = np.array([1697744880.0, np.nan, 1697744881.0])
    found = read_oco2(edited(write_oco2(tmp_path / "oco2_LtCO2.nc4"), time=times))
    assert len(found) == 2
    assert found.table["time"].notna().all()


def test_a_file_without_soundings_is_empty(tmp_path):
    path = write_tropomi(tmp_path / "s5p.nc")
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        arrays = {name: file[name][...] for name in names}
    none = {name: a[:, :0] for name, a in arrays.items() if a.ndim > 1}
    none["PRODUCT/scanline"] = arrays["PRODUCT/scanline"][:0]
    assert len(read_tropomi(edited(path, **none))) == 0


def test_priors_and_kernels_from_the_top_down_are_turned(tmp_path):
    ramp = np.array([400.0, 410.0, 420.0, 430.0])
    usual = edited(write_tccon(tmp_path / "a.public.nc"), prior_co2=np.tile(ramp, (2, 1)))
    with h5py.File(usual) as file:
        turned = {
            name: file[name][...][..., ::-1]
            for name in ("ak_pressure", "ak_xco2", "prior_pressure", "prior_co2")
        }
    other = edited(write_tccon(tmp_path / "b.public.nc"), **turned)
    one, two = read_tccon(usual), read_tccon(other)
    np.testing.assert_allclose(one.profiles["apriori"][0], ramp, rtol=1e-6)
    for name, profile in one.profiles.items():
        np.testing.assert_allclose(two.profiles[name], profile, rtol=1e-6, err_msg=name)


def test_when_no_sounding_is_left_it_says_why(tmp_path):
    def sentence(**values):
        path = edited(write_oco2(tmp_path / "oco2_LtCO2.nc4"), **values)
        settings = ObservationsConfig(files=[str(path)], reader="oco2")
        with pytest.raises(UsageError) as refused:
            soundings_of(settings, tmp_path)
        return str(refused.value).partition(".nc4 ")[2]

    assert sentence(xco2_quality_flag=np.ones(3, np.int8)) == (
        "is left: none is of good quality; --all-quality (good: false) keeps them."
    )
    assert sentence(xco2=np.full(3, -999999, np.float32)) == "is left: none has a value."
    assert sentence(time=np.full(3, np.nan)) == "holds no sounding with a time and a place."


def test_ggg_text_output(tmp_path):
    path = tmp_path / "ab20230715.vav.ada.aia.oof"
    path.write_text(GGG)
    found = read_ggg(path)
    assert found.table["time"].tolist() == [
        pd.Timestamp("2023-07-15 16:00"), pd.Timestamp("2023-07-15 16:30")
    ]  # fmt: skip
    assert found.table["value"].iloc[0] == 419.38
    assert found.table["units"].iloc[0] == "ppm"
    assert np.isnan(found.table["value"].iloc[1])
    assert len(found.select()) == 1
    with pytest.raises(UsageError, match="no gas 'ch4'"):
        read_ggg(path, species="ch4")


def test_fill_values_that_a_product_does_not_declare_are_missing(tmp_path, caplog):
    xco2 = np.array([418.1, -999.99, 418.5], np.float32)
    found = read_oco2(edited(write_oco2(tmp_path / "oco2.nc4"), xco2=(xco2, {"_FillValue": 0.0})))
    assert np.isnan(found.table["value"].iloc[1])
    assert "1 of 3 values of" in caplog.text
    both = {"missing_value": -55.5, "_FillValue": np.float32(-1e9)}
    xco2[1] = -55.5
    found = read_oco2(edited(write_oco2(tmp_path / "other.nc4"), xco2=(xco2, both)))
    assert np.isnan(found.table["value"].iloc[1])
    text = GGG.replace("9.8765E+35 0.53", "-999.0 0.53").replace("  2 ab2023", "  0 ab2023")
    (tmp_path / "ab.oof").write_text(text)
    assert len(read_ggg(tmp_path / "ab.oof").select()) == 1


def test_kernels_that_are_fill_values_are_refused(tmp_path):
    path = write_oco2(tmp_path / "oco2.nc4")
    kernel = np.full((3, 20), -999.0)
    with pytest.raises(UsageError, match="An averaging kernel has the value -999"):
        read_oco2(edited(path, xco2_averaging_kernel=kernel))


def test_units_that_products_do_not_have_are_refused_or_converted(tmp_path):
    pressure = np.tile([86000.0, 60000.0, 30000.0, 0.0], (2, 1))
    path = edited(write_wfmd(tmp_path / "a.nc"), pressure_levels=(pressure, {"units": "bananas"}))
    with pytest.raises(UsageError, match="units 'bananas' of pressure_levels are none of pressure"):
        read_wfmd(path)
    xch4 = np.array([1.885e-6, 1.890e-6])
    path = edited(write_wfmd(tmp_path / "b.nc"), xch4=(xch4, {"units": "mol mol-1"}))
    np.testing.assert_allclose(read_wfmd(path).table["value"], [1885.0, 1890.0])
    path = edited(write_wfmd(tmp_path / "c.nc"), xch4=(xch4, {"units": "kg kg-1"}))
    with pytest.raises(UsageError, match=r"c.nc: units of the values: 'kg kg-1' is a ratio"):
        read_wfmd(path)
    xco2 = np.full(3, 418.1e-6)
    path = edited(write_oco2(tmp_path / "d.nc4"), xco2=(xco2, {"units": "mol mol-1"}))
    np.testing.assert_allclose(read_oco2(path).table["value"], 418.1)


def test_files_of_another_kind_are_named(tmp_path):
    oco2 = write_oco2(tmp_path / "oco2.nc4")
    with pytest.raises(UsageError, match="not a file of TROPOMI methane"):
        read_tropomi(oco2)
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(UsageError, match="not a NetCDF-4 file"):
        read_tccon(tmp_path / "text.nc")
    with pytest.raises(UsageError, match="not an official-output file"):
        read_ggg(tmp_path / "text.nc")
    with pytest.raises(FileNotFoundError):
        read_files(tmp_path / "none*.nc", "oco2")
    with pytest.raises(UsageError, match="one gas only"):
        read_files(oco2, "oco2", species="co2")


def test_files_are_joined_with_profiles_of_different_lengths(tmp_path):
    one = read_tropomi(write_tropomi(tmp_path / "S5P_OFFL_x.nc"))
    other = read_oco2(write_oco2(tmp_path / "oco2.nc4"))
    joined = Soundings.concat([one, other])
    assert len(joined) == 9
    assert joined.profiles["ak"].shape == (9, 20)
    assert np.isnan(joined.profiles["ak"][0, 12:]).all()
    assert np.isnan(joined.profiles["altitude_levels_m"][6:]).all()
    twice = read_files([tmp_path / "oco2.nc4", tmp_path / "oco*.nc4"], "oco2")
    assert len(twice) == 6


def test_area_time_and_quality_choose(tmp_path):
    found = read_tropomi(write_tropomi(tmp_path / "S5P_OFFL_x.nc"))
    west = Bounds(xmin=-112, xmax=-111.75, ymin=39, ymax=41)
    assert found.select(bounds=west).table["sounding_id"].tolist() == [
        "31176-7-1", "31176-7-2", "31176-8-1"
    ]  # fmt: skip
    assert len(found.select(good=False)) == 6
    late = found.select(time_range=("2023-10-19 20:00:01", "2023-10-19 21:00"))
    assert late.table["sounding_id"].tolist() == ["31176-8-1"]
    assert late.profiles["ak"].shape == (1, 12)


def test_thinning_keeps_the_sounding_nearest_to_the_centre_of_each_cell_and_hour():
    table = pd.DataFrame(
        {
            "sounding_id": list("abcd"),
            "time": pd.to_datetime(["2023-07-15 18:01"] * 3 + ["2023-07-15 19:01"]),
            "longitude": [0.1, 0.24, 0.6, 0.1],
            "latitude": [0.1, 0.26, 0.1, 0.1],
            "value": 1.0, "uncertainty": 1.0, "units": "ppb", "species": "ch4", "sensor": "s",
            "good": True,
        }
    )  # fmt: skip
    assert Soundings(table).thin(0.5).table["sounding_id"].tolist() == ["b", "c", "d"]
    with pytest.raises(UsageError, match="above 0"):
        Soundings(table).thin(0)


def test_slant_points_lie_off_the_pixel_by_height_times_tangent(tmp_path):
    found = read_oco2(write_oco2(tmp_path / "oco2.nc4"))
    receptor = found.receptors("slant", heights=[1000.0, 2000.0])[0]
    low, high = receptor.positions
    km_per_degree = 6371.0 * np.pi / 180 * np.cos(np.radians(40.7))
    east = (low.longitude + 111.9) * km_per_degree
    assert east == pytest.approx(np.tan(np.radians(20)) * np.sin(np.radians(98)), abs=2e-3)
    assert high.altitude_m == 2000
    assert receptor.labels["sounding_id"] == "2023101919480000"


@pytest.mark.parametrize(
    ("bottom", "top", "first", "last", "count"),
    [
        (0.0, 3000.0, 50.0, 2950.0, 30),
        (0.0, 8000.0, 50.0, 7950.0, 80),
        (1000.0, 3000.0, 1050.0, 2950.0, 20),
        (0.0, 40.0, 6.7, 33.3, 3),
        (0.0, 1030.0, 51.5, 978.5, 10),
    ],
)
def test_slant_paths_reach_from_bottom_to_top(tmp_path, bottom, top, first, last, count):
    found = read_oco2(write_oco2(tmp_path / "oco2.nc4"))
    heights = [p.altitude_m for p in found.receptors("slant", bottom=bottom, top=top)[0].positions]
    assert (heights[0], heights[-1], len(heights)) == (first, last, count)


def test_impossible_slant_paths_are_refused(tmp_path):
    found = read_oco2(write_oco2(tmp_path / "oco2.nc4"))
    for ends in ({"bottom": 3000.0}, {"bottom": -5.0}, {"top": np.inf}):
        with pytest.raises(UsageError, match="is impossible: bottom must be"):
            found.receptors("slant", **ends)
    with pytest.raises(UsageError, match="metres above ground, not below 0"):
        found.receptors("slant", heights=[-10.0, 100.0])
    with pytest.raises(UsageError, match="above ground: leave out altitude_ref 'msl'"):
        found.receptors("slant", altitude_ref="msl")
    with pytest.raises(UsageError, match="those of a slant path, and the receptors are columns"):
        found.receptors("column", heights=[100.0])
    blended = read_tropomi(write_blended_tropomi(tmp_path / "S5P_BLND_x.nc"))
    with pytest.raises(UsageError, match="needs zenith_deg and azimuth_deg, which these soundings"):
        blended.receptors("slant")
    found.table["azimuth_deg"] = np.nan
    with pytest.raises(UsageError, match="has no azimuth angle"):
        found.receptors("slant")


def test_settings_of_other_receptors_are_refused():
    given = {"files": ["x"], "reader": "oco2"}
    for wrong, told in (
        ({"receptor": "slant", "bottom": -5}, "bottom: -5 m is below the ground"),
        ({"receptor": "slant", "altitude_ref": "msl"}, "altitude_ref: the heights of a slant"),
        ({"receptor": "column", "heights": [100]}, "heights: they are those of a slant path"),
        ({"receptor": "slant", "bottom": 50, "top": 40}, "bottom: 50 m must be below top 40 m"),
    ):
        with pytest.raises(ConfigFieldError, match=told):
            ObservationsConfig(**given, **wrong)


def test_kernels_are_rows_by_receptor(tmp_path):
    found = read_tccon(write_tccon(tmp_path / "ab.public.nc"))
    rows = found.kernels(["b", "a"])
    assert rows["receptor"].astype(str).tolist() == ["a"] * 4 + ["b"] * 4
    assert rows["pressure_hpa"].iloc[:4].tolist() == [1000, 700, 400, 100]
    observation = found.observations()[0]
    assert observation.transforms()[0]["coordinate"] == "pres"
    assert found.to_xarray()["ak"].dims == ("sounding", "level")


@pytest.mark.parametrize(
    ("pattern", "reader", "count", "good"),
    [
        ("S5P_OFFL*", "tropomi", 100, 36),
        ("S5P_BLND*", "tropomi", 40, 40),
        ("oco2*", "oco2", 6, 4),
        ("if2012*", "tccon", 24, 24),
        ("zz*.private.nc", "tccon", 4, 4),
        ("zz*.oof", "ggg", 12, 11),
    ],
)
@pytest.mark.skipif(not PRODUCTS.exists(), reason="no samples of products beside the project")
def test_samples_of_real_products(pattern, reader, count, good):
    found = read_files(PRODUCTS / pattern, reader)
    assert (len(found), len(found.select())) == (count, good)
    profiles = found.select().profiles
    for name in set(profiles) & {"ak_pressure_hpa", "pressure_levels_hpa"}:
        assert (np.diff(profiles[name], axis=1) < 0).all()
    if "apriori" in profiles:
        # Methane falls towards the stratosphere, and carbon dioxide differs little.
        ground, top = profiles["apriori"][:, 0], profiles["apriori"][:, -1]
        assert (ground > 1.05 * top).all() if reader == "tropomi" else (ground > 0.95 * top).all()
        assert 0.8 < np.median(ground) / found.table["value"].median() < 1.2
