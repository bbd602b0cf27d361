"""A GPU's way of cutting the work, tried on a CPU: other blocks and loops, the same particles."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from devices import computing_as
from synthetic_weather import START, WIDE, Laboratory, inversion, model_config, release

from stilt import PointReceptor
from stilt.background.ends import first_and_last
from stilt.footprint import apply_near_field
from stilt.transport import Release, corrects_near_field, run_transport, transport_rows
from stilt.transport import device as devices
from stilt.transport.device import CPU, GPU
from stilt.transport.particle_rows import ReleaseRows

SMALL = GPU._replace(block=256, most_blocks=3)
WHOLE = GPU._replace(block=256, most_blocks=8)


DEVICES = {"cpu": CPU, "calls": SMALL, "whole": WHOLE}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Air that is convective below and calm above."""
    lab = Laboratory(tmp_path_factory.mktemp("devices"), WIDE)
    lab.weather(({"TEMP": inversion(900.0), "UWND": 4.0}, {"SHTF": 250.0, "USTR": 0.4}))
    return lab


def releases_of_all() -> list[Release]:
    """Six receptors, one of them a column, and one near the edge of the weather."""
    starts = [START + np.timedelta64(minute, "m") for minute in (0, 0, 7, 20)]
    releases = [release(5.0, time=time, key=key + 1) for key, time in enumerate(starts)]
    releases.append(release((5.0, 400.0), kind="column", key=8))
    releases.append(release(500.0, lon=7.97, key=9))
    return releases


@pytest.fixture(scope="module")
def tables(laboratory: Laboratory) -> dict[str, list[pd.DataFrame]]:
    """Tables of six receptors by device.

    A GPU takes all of them in one call, or in three. Tables of influence that was corrected for the
    near field as it was computed have "corrected" before their name.
    """
    lab, releases = laboratory, releases_of_all()
    made: dict[str, list[pd.DataFrame]] = {}
    for name, chosen in DEVICES.items():
        with computing_as(chosen):
            made[name] = lab.run(releases, numpar=300)
            if chosen is not WHOLE:
                config = model_config(numpar=300, varsiwant=("time", "indx", "foot"))
                made[f"corrected {name}"] = run_transport(
                    releases, lab.refs, config, cache_dir=lab.folder / "prepared", near_field=True
                )
    return made


@pytest.mark.parametrize("way", ["calls", "whole"])
def test_most_particles_fly_the_same_way(tables: dict[str, list[pd.DataFrame]], way: str) -> None:
    # The last digits differ, and with them whether a particle is let through at a level.
    for cpu, gpu in zip(tables["cpu"][:-1], tables[way][:-1], strict=True):
        pd.testing.assert_frame_equal(cpu[["time", "indx"]], gpu[["time", "indx"]])
        apart = np.abs(cpu["zagl"] - gpu["zagl"]).to_numpy().reshape(60, 300)
        assert apart[0].max() < 0.01
        for name in ("long", "lati"):
            places = np.abs(cpu[name] - gpu[name]).to_numpy().reshape(60, 300)
            assert places[0].max() < 2e-5  # two last places of a longitude, two metres
        assert (apart[-1] < 1.0).mean() > 0.9


@pytest.mark.parametrize("way", ["calls", "whole"])
def test_clouds_and_influence_are_the_same(tables: dict[str, list[pd.DataFrame]], way: str) -> None:
    cpu, gpu = (pd.concat(tables[name][:-1]) for name in ("cpu", way))
    assert gpu["foot"].sum() == pytest.approx(cpu["foot"].sum(), rel=0.01)
    last = [table.loc[table["time"].abs() == 60, "zagl"] for table in (cpu, gpu)]
    assert last[1].mean() == pytest.approx(last[0].mean(), rel=0.02)


@pytest.mark.parametrize("way", ["calls", "whole"])
def test_particles_leave_the_weather_at_the_same_minutes(
    tables: dict[str, list[pd.DataFrame]], way: str
) -> None:
    cpu, gpu = tables["cpu"][-1], tables[way][-1]
    ends = [table.groupby("indx")["time"].max() for table in (cpu, gpu)]
    assert (ends[0] < 60.0).mean() > 0.99  # one that stays near the ground may be slow
    assert (ends[0] == ends[1]).mean() > 0.9
    assert gpu["long"].between(-180.0, 180.0).all()


@pytest.mark.slow
def test_updates_at_layer_interfaces_do_not_depend_on_the_device(tmp_path: Path) -> None:
    """A GPU leaves a layer after some sub-steps, and goes on with it later."""
    lab = Laboratory(tmp_path, WIDE)
    lab.weather(({"TEMP": inversion(900.0)}, {"SHTF": 250.0, "USTR": 0.4}))
    found = []
    for chosen in (CPU, WHOLE):
        with computing_as(chosen):
            table = lab.run(release(5.0), numpar=300, hysplit_layer_update=True)[0]
            found.append(table["zagl"].to_numpy().reshape(60, 300))
    apart = np.abs(found[0] - found[1])
    assert apart[0].max() < 0.01
    assert (apart[-1] < 1.0).mean() > 0.9


@pytest.mark.parametrize("way", ["cpu", "calls"])
def test_influence_is_corrected_for_the_near_field_as_it_is_computed(
    tables: dict[str, list[pd.DataFrame]], way: str
) -> None:
    for table, found in zip(tables[way], tables[f"corrected {way}"], strict=True):
        receptor = PointReceptor(str(START), 0.0, 0.0, 500.0 if table is tables[way][-1] else 5.0)
        expected = apply_near_field(table, receptor=receptor, veght=0.5)["foot"].to_numpy()
        pd.testing.assert_frame_equal(found[["time", "indx"]], table[["time", "indx"]])
        np.testing.assert_allclose(found["foot"], expected, rtol=3e-7)
        if way == "cpu":
            assert found["foot"].to_numpy().tobytes() == expected.tobytes()
        assert (found["foot"] != table["foot"]).any()


def test_influence_is_corrected_only_as_the_table_would() -> None:
    assert corrects_near_field(model_config(hnf_plume=True))
    assert not corrects_near_field(model_config(hnf_plume=False))
    # The table's rows are sums of some minutes.
    assert not corrects_near_field(model_config(hnf_plume=True, outdt=5))


@pytest.mark.parametrize("way", ["cpu", "calls"])
def test_first_and_last_rows_alone_are_those_of_the_table(
    tables: dict[str, list[pd.DataFrame]], laboratory: Laboratory, way: str
) -> None:
    releases = releases_of_all()
    config = model_config(numpar=300, varsiwant=("time", "indx", "long", "lati", "foot"))
    with computing_as(DEVICES[way]):
        collected = transport_rows(
            releases, laboratory.refs, config, cache_dir=laboratory.folder / "prepared",
            at_ends=("zagl", "sigw"),
        )  # fmt: skip
    for table, rows in zip(tables[way], collected, strict=True):
        assert isinstance(rows, ReleaseRows)
        ends = first_and_last(rows.to_frame(), rows.at_ends)
        whole = first_and_last(table)
        pd.testing.assert_frame_equal(ends, whole[list(ends)], check_exact=True)


def test_a_call_on_a_gpu_is_as_large_as_the_sweep_needs() -> None:
    assert SMALL.shape(1) == (256, 256)
    assert SMALL.shape(300) == (512, 512)
    assert SMALL.shape(10**6) == (768, 768)
    assert CPU.shape(1) == CPU.shape(10**6) == (128, 4096)


def test_a_machine_without_a_gpu_computes_as_a_cpu_does() -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("this machine computes on a GPU")
    assert devices.device() is CPU
