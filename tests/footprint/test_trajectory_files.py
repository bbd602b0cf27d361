"""Particle tables on disk."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from stilt import PointReceptor, Trajectories
from stilt.errors import TrajectoryError
from stilt.trajectories import read_metadata

RECEPTOR = PointReceptor("2023-07-15 18:00:00", -112.0, 40.6, 5.0)


def made(**kwargs) -> Trajectories:
    particles = pd.DataFrame(
        {
            "time": [-1.0, -1.0, -2.5, -2.5],
            "indx": np.array([1, 2, 1, 2], np.int32),
            "long": [-112.0, -112.1, -112.2, -112.3],
            "lati": [40.6, 40.7, 40.8, 40.9],
            "zagl": np.array([5.0, 6.0, 7.0, 8.0], np.float32),
            "foot": [0.1, 0.0, 0.2, 0.3],
        }
    )
    given = {"params": {"numpar": 2, "n_hours": -24}, "met_files": ["a", "b"], **kwargs}
    return Trajectories(particles, RECEPTOR, **given)


def test_round_trip(tmp_path) -> None:
    before = made(is_error=True)
    path = before.to_parquet(tmp_path / "deep" / "x_traj.parquet", extra={"hash": "abc"})
    back = Trajectories.from_parquet(path)
    pd.testing.assert_frame_equal(back.particles.drop(columns="datetime"), before.particles)
    assert back.receptor == RECEPTOR
    assert (back.params, back.met_files, back.is_error) == (before.params, ["a", "b"], True)
    assert back.extra == {"hash": "abc"}
    back.to_parquet(path)
    pd.testing.assert_frame_equal(Trajectories.from_parquet(path).particles, back.particles)
    assert [p.name for p in path.parent.iterdir()] == ["x_traj.parquet"]


def test_metadata_without_the_table(tmp_path) -> None:
    path = made().to_parquet(tmp_path / "t.parquet", extra={"hash": "abc"})
    schema = pq.read_schema(path)
    assert {b"stilt:receptor", b"stilt:params", b"stilt:met_files", b"stilt:is_error"} <= set(
        schema.metadata
    )
    metadata = read_metadata(path)
    assert metadata["receptor"] == RECEPTOR.to_dict()
    assert metadata["hash"] == "abc"
    assert metadata["is_error"] is False


def test_only_the_columns_asked_for(tmp_path) -> None:
    path = made().to_parquet(tmp_path / "t.parquet")
    assert list(Trajectories.from_parquet(path, ["long", "foot"]).particles) == ["long", "foot"]
    timed = Trajectories.from_parquet(path, ["datetime", "foot"]).particles
    assert list(timed) == ["datetime", "foot"]
    assert timed["datetime"].iloc[2] == pd.Timestamp("2023-07-15 17:57:30")


def test_end_points_are_the_last_rows_in_time() -> None:
    ends = made().endpoints()
    assert list(ends["indx"]) == [1, 2]
    assert list(ends["long"]) == [-112.2, -112.3]
    assert (ends["endpoint_age_min"] == -2.5).all()
    assert (ends["time"] == pd.Timestamp("2023-07-15 17:57:30")).all()
    assert (ends["run_time"] == RECEPTOR.time).all()


def test_damaged_and_foreign_files(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        Trajectories.from_parquet(tmp_path / "none.parquet")
    path = made().to_parquet(tmp_path / "t.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    for read in (Trajectories.from_parquet, read_metadata):
        with pytest.raises(TrajectoryError, match="not a readable trajectory file"):
            read(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(TrajectoryError, match="not a readable trajectory file"):
        Trajectories.from_parquet(path)


def test_a_changed_bit_in_the_numbers_is_noticed(tmp_path) -> None:
    numbers = np.random.default_rng(0).random((2000, 5))
    particles = pd.DataFrame(numbers, columns=["indx", "time", "long", "lati", "zagl"])
    path = Trajectories(particles, RECEPTOR).to_parquet(tmp_path / "t.parquet")
    content = path.read_bytes()
    group = pq.read_metadata(path).row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        damaged = bytearray(content)
        damaged[column.data_page_offset + column.total_compressed_size // 2] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(TrajectoryError, match="delete it and run the simulation again"):
            Trajectories.from_parquet(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"time"', b'"tame"'), (b"PointReceptor", b"PointReceptoz"), (b'"n', b"\xff\xff")],
)
def test_garbled_metadata_are_one_sentence(tmp_path, old, new) -> None:
    path = made().to_parquet(tmp_path / "t.parquet")
    table = pq.read_table(path)
    texts = {key: value.replace(old, new) for key, value in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(texts), path, store_schema=False)
    with pytest.raises(TrajectoryError, match="delete it and run the simulation again"):
        Trajectories.from_parquet(path)


def test_a_failed_write_leaves_the_old_file(tmp_path) -> None:
    path = made().to_parquet(tmp_path / "t.parquet")
    before = path.read_bytes()
    broken = made(params={"when": object()})
    with pytest.raises(TypeError):
        broken.to_parquet(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
