"""A receptor's particles depend on weather, settings, seed and the receptor: nothing else."""

import numpy as np
import pandas as pd
import pytest
from synthetic_weather import START, Laboratory, model_config, release

from stilt.receptors import PointReceptor
from stilt.transport import release_of, stream_key

SETTINGS = {"n_hours": -1, "numpar": 90}


@pytest.fixture
def lab(lab: Laboratory) -> Laboratory:
    wind = {"UWND": 2.0, "VWND": -1.0}
    return lab.weather((wind, {"U10M": 1.0, "V10M": -0.5}))


def test_same_bytes_alone_beside_others_and_in_another_order(lab: Laboratory) -> None:
    alone = lab.run(release(5.0, key=11), **SETTINGS)[0]
    near = release(5.0, key=12)
    high = release(900.0, key=13, time=START - np.timedelta64(7, "m"))
    far = release(300.0, key=14, lon=0.02, time=START + np.timedelta64(20, "m"))
    for others in ([near], [high, far], [far, near, high]):
        tables = lab.run([*others, release(5.0, key=11)], **SETTINGS)
        pd.testing.assert_frame_equal(tables[-1], alone, check_exact=True)
        first = lab.run([release(5.0, key=11), *others], **SETTINGS)[0]
        pd.testing.assert_frame_equal(first, alone, check_exact=True)


def test_more_particles_do_not_change_the_first_ones_of_a_point(lab: Laboratory) -> None:
    few = lab.run(release(5.0), **SETTINGS)[0]
    many = lab.run(release(5.0), **{**SETTINGS, "numpar": 300})[0]
    same = many[many["indx"] <= 90].reset_index(drop=True)
    moved = ["long", "lati", "zagl", "foot"]
    first = few["time"] == -1
    assert not np.array_equal(few.loc[first, moved], np.zeros((90, 4)))
    pd.testing.assert_frame_equal(same, few, check_exact=True)


def test_another_seed_gives_other_particles(lab: Laboratory) -> None:
    receptor = PointReceptor("2023-07-15 12:00", 0.0, 0.0, 5.0)
    runs = {}
    for seed in (1, 2):
        chosen = release_of(receptor, "lab", model_config(seed=seed))
        runs[seed] = lab.run(chosen, seed=seed, **SETTINGS)[0]
    assert not np.array_equal(runs[1]["zagl"], runs[2]["zagl"])
    again = lab.run(release_of(receptor, "lab", model_config(seed=1)), seed=1, **SETTINGS)[0]
    pd.testing.assert_frame_equal(again, runs[1], check_exact=True)


def test_streams_differ_between_receptors_and_seeds() -> None:
    keys = {stream_key(seed, name) for seed in range(50) for name in ("a", "b", "c")}
    assert len(keys) == 150
    assert all(0 <= key < 2**64 for key in keys)
    assert stream_key(3, "a") == stream_key(3, "a")
