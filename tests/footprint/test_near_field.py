"""The correction close to the release."""

import numpy as np
import pandas as pd
import pytest

from stilt import ColumnReceptor, PointReceptor
from stilt.errors import FootprintError
from stilt.footprint import apply_near_field

TIME = "2023-07-15 18:00:00"
RECEPTOR = PointReceptor(TIME, -112.0, 40.6, 5.0)


def table(particles: int = 5, minutes: int = 120, sign: int = -1, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = particles * minutes
    near = rng.random(n) < 0.7
    made = pd.DataFrame(
        {
            "time": sign * np.repeat(np.arange(1.0, minutes + 1), particles),
            "indx": np.tile(np.arange(1, particles + 1), minutes),
            "zagl": rng.uniform(1, 900, n),
            "foot": np.where(near, rng.gamma(2, 1e-3, n), 0.0),
            "mlht": rng.uniform(600, 1500, n),
            "dens": rng.uniform(0.9, 1.2, n),
            "samt": np.where(near, 1.0, 0.0),
            "sigw": rng.uniform(0.2, 1.0, n),
            "tlgr": rng.uniform(20, 200, n),
        }
    )
    return made.assign(**columns)


def test_only_rows_with_a_shallow_plume_change() -> None:
    before = table(samt=1.0)
    after = apply_near_field(before, receptor=RECEPTOR, veght=0.5)
    changed = after["foot"] != before["foot"]
    first_change = after[changed].groupby("indx")["time"].max()
    assert (first_change == -1).all()
    assert not changed[before["time"] < -60].any()
    assert after["foot_no_hnf_dilution"].equals(before["foot"])
    assert before.equals(table(samt=1.0))  # the input stays as it was


def test_forward_mirrors_backward_and_rows_may_come_in_any_order() -> None:
    backward = apply_near_field(table(), receptor=RECEPTOR, veght=0.5)
    forward = apply_near_field(table(sign=1), receptor=RECEPTOR, veght=0.5)
    np.testing.assert_array_equal(forward["foot"], backward["foot"])
    mixed = apply_near_field(
        table().sample(frac=1, random_state=3), receptor=RECEPTOR, veght=0.5
    ).sort_index()
    np.testing.assert_allclose(mixed["foot"], backward["foot"], rtol=1e-12)


def test_short_time_scales_give_no_nan() -> None:
    done = apply_near_field(table(tlgr=0.2), receptor=RECEPTOR, veght=0.5)
    assert done["foot"].notna().all()


def test_applying_again_reproduces_the_saved_foot() -> None:
    once = apply_near_field(table(), receptor=RECEPTOR, veght=0.5)
    twice = apply_near_field(once, receptor=RECEPTOR, veght=0.5)
    pd.testing.assert_frame_equal(once, twice)


def test_veght_above_one_is_a_height_in_metres() -> None:
    before = table(samt=1.0)
    low = apply_near_field(before, receptor=RECEPTOR, veght=6.0)
    high = apply_near_field(before, receptor=RECEPTOR, veght=5000.0)
    assert (low["foot"] != before["foot"]).sum() < (high["foot"] != before["foot"]).sum()


def test_release_height_comes_from_xhgt_first() -> None:
    column = ColumnReceptor(TIME, -112.0, 40.6, 5.0, 4000.0)
    before = table(samt=1.0, xhgt=lambda t: np.where(t["indx"] == 1, 5.0, 4000.0))
    after = apply_near_field(before, receptor=column, veght=0.5)
    changed = after["foot"] != before["foot"]
    assert set(after.loc[changed, "indx"]) == {1}
    with pytest.raises(ValueError, match="release height"):
        apply_near_field(table(), receptor=column, veght=0.5)


@pytest.mark.parametrize("terrain", [{"zsfc": 1300.0}, {}], ids=["zsfc", "first heights"])
def test_heights_above_sea_level_are_brought_to_the_ground(terrain: dict) -> None:
    agl = table(samt=1.0, **terrain)
    agl.loc[agl["time"] == -1, "zagl"] = 5.0
    msl = PointReceptor(TIME, -112.0, 40.6, 1305.0, altitude_ref="msl")
    one = apply_near_field(agl, receptor=msl, veght=0.5)
    other = apply_near_field(agl, receptor=RECEPTOR, veght=0.5)
    pd.testing.assert_frame_equal(one, other)
    told = PointReceptor(TIME, -112.0, 40.6, 1305.0)
    overruled = apply_near_field(agl, receptor=told, veght=0.5, heights_msl=True)
    pd.testing.assert_frame_equal(overruled, other)


def test_missing_columns_are_named() -> None:
    with pytest.raises(FootprintError, match="tlgr"):
        apply_near_field(table().drop(columns="tlgr"), receptor=RECEPTOR, veght=0.5)


def test_an_empty_table_stays_empty() -> None:
    done = apply_near_field(table().iloc[:0], receptor=RECEPTOR, veght=0.5)
    assert done.empty
    assert "foot_no_hnf_dilution" in done


def every_row(before: pd.DataFrame, height_m: float, veght: float) -> np.ndarray:
    """The formula row by row, particle by particle, without passing over anything."""
    foot = before["foot"].to_numpy().copy()
    for _, rows in before.groupby("indx"):
        plume = height_m
        for row in rows["time"].abs().sort_values().index:
            at = before.loc[row]
            seconds = abs(at["time"]) * 60
            root = at["tlgr"] * seconds + at["tlgr"] ** 2 * np.exp(-seconds / at["tlgr"]) - 1
            plume += at["samt"] * np.sqrt(2) * at["sigw"] * np.sqrt(root)
            if plume < veght * at["mlht"]:
                foot[row] = 0.02897 / (plume * at["dens"]) * at["samt"] * 60
    return foot


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_blocks_and_what_they_pass_over_do_not_matter(block: int, monkeypatch) -> None:
    monkeypatch.setattr("stilt.footprint.near_field.BLOCK_ROWS", block)
    rng = np.random.default_rng(5)
    before = table(4, 60)
    # Layers that come and go, influence without time near the ground, particles that end early.
    before["mlht"] = np.where(rng.random(240) < 0.5, 100.0, 3000.0)
    before.loc[rng.random(240) < 0.1, "foot"] = 0.004
    before = before[rng.random(240) < 0.8].reset_index(drop=True)
    for rows in (before, before.iloc[::-1].reset_index(drop=True)):
        after = apply_near_field(rows, receptor=RECEPTOR, veght=0.5)
        np.testing.assert_allclose(after["foot"], every_row(rows, 5.0, 0.5), rtol=1e-12)


def test_single_precision_stays_single() -> None:
    before = table()
    small = before.assign(foot=before["foot"].astype(np.float32))
    after = apply_near_field(small, receptor=RECEPTOR, veght=0.5)
    assert after["foot"].dtype == np.float32
    exact = apply_near_field(before, receptor=RECEPTOR, veght=0.5)
    np.testing.assert_allclose(after["foot"], exact["foot"], rtol=1e-6)
