"""A GPU's way of cutting the work, tried on a CPU: other blocks and loops, the same particles."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from synthetic_weather import START, WIDE, Laboratory, inversion, release

from stilt.transport import device as devices
from stilt.transport import dispersion, in_turn, resident, run, sweep
from stilt.transport.device import CPU, GPU

SMALL = GPU._replace(block=256, most_blocks=3)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[pd.DataFrame]]:
    """Tables of four receptors in air that is convective below and calm above, by device."""
    lab = Laboratory(tmp_path_factory.mktemp("devices"), WIDE)
    lab.weather(({"TEMP": inversion(900.0), "UWND": 4.0}, {"SHTF": 250.0, "USTR": 0.4}))
    starts = [START + np.timedelta64(minute, "m") for minute in (0, 0, 7, 20)]
    releases = [release(5.0, time=time, key=key + 1) for key, time in enumerate(starts)]
    made = {}
    for name, chosen in (("cpu", CPU), ("gpu", SMALL)):
        with pytest.MonkeyPatch.context() as patch:
            for module in (dispersion, in_turn, resident, run, sweep):
                patch.setattr(module, "device", lambda chosen=chosen: chosen)
            jax.clear_caches()
            made[name] = lab.run(releases, numpar=300)
    jax.clear_caches()
    return made


def test_most_particles_fly_the_same_way(tables: dict[str, list[pd.DataFrame]]) -> None:
    # The last digits differ, and with them whether a particle is let through at a level.
    for cpu, gpu in zip(tables["cpu"], tables["gpu"], strict=True):
        pd.testing.assert_frame_equal(cpu[["time", "indx"]], gpu[["time", "indx"]])
        apart = np.abs(cpu["zagl"] - gpu["zagl"]).to_numpy().reshape(60, 300)
        assert apart[0].max() < 0.01
        for name in ("long", "lati"):
            places = np.abs(cpu[name] - gpu[name]).to_numpy().reshape(60, 300)
            assert places[0].max() < 2e-5  # two last places of a longitude, two metres
        assert (apart[-1] < 1.0).mean() > 0.9


def test_clouds_and_influence_are_the_same(tables: dict[str, list[pd.DataFrame]]) -> None:
    cpu, gpu = (pd.concat(tables[name]) for name in ("cpu", "gpu"))
    assert gpu["foot"].sum() == pytest.approx(cpu["foot"].sum(), rel=0.01)
    last = [table.loc[table["time"].abs() == 60, "zagl"] for table in (cpu, gpu)]
    assert last[1].mean() == pytest.approx(last[0].mean(), rel=0.02)


def test_a_call_on_a_gpu_is_as_large_as_the_sweep_needs() -> None:
    assert SMALL.shape(1) == (256, 256)
    assert SMALL.shape(300) == (512, 512)
    assert SMALL.shape(10**6) == (768, 768)
    assert CPU.shape(1) == CPU.shape(10**6) == (128, 4096)


def test_a_machine_without_a_gpu_computes_as_a_cpu_does() -> None:
    if jax.default_backend() != "cpu":
        pytest.skip("this machine computes on a GPU")
    assert devices.device() is CPU
