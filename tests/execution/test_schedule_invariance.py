"""One result, whatever the schedule, with the real transport on the demo's weather."""

import hashlib

import pandas as pd
import pytest

import stilt
from stilt.config import OutputConfig
from stilt.demo import write_demo
from stilt.execution import plan, push_simulations, run_batch
from stilt.footprint import Footprint
from stilt.trajectories import Trajectories


def results(model):
    ids = model.simulations.ids(state="complete")
    return {
        sim_id: (model.trajectories[sim_id].particles, model.footprints["default"][sim_id].data)
        for sim_id in ids
    }


@pytest.mark.slow
def test_workers_batches_and_resuming_change_no_bit(tmp_path):
    write_demo(tmp_path / "demo")
    receptors = [
        stilt.PointReceptor(f"2023-07-15 {hour}:00", -111.85, 40.77, 30.0) for hour in range(18, 22)
    ]
    met = {"directory": tmp_path / "demo/met", "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    grid = {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42, "xres": 0.1, "yres": 0.1}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": grid}}, n_hours=-2, numpar=40, seed=3
    )

    def project(name, layout="files"):
        output = OutputConfig(layout=layout)
        settings = config.model_copy(update={"output": output})
        model = stilt.Model(tmp_path / layout / name, receptors, settings)
        return model, model.register_pending()

    def schedules(layout):
        together, ids = project("together", layout)
        assert run_batch(str(together.output_root), ids).n_complete == 4
        single, _ = project("single", layout)
        for sim_id in reversed(ids):
            run_batch(str(single.output_root), [sim_id])
        pooled, _ = project("pooled", layout)
        push_simulations(pooled, ids[:1])
        push_simulations(pooled, ids, n_workers=2)
        for model in (together, single, pooled):
            model.index.fold()
            found = results(model)
            assert sorted(found) == sorted(ids)
            yield found

    of_files, of_stores = list(schedules("files")), list(schedules("store"))
    for found in of_files:
        for sim_id, (particles, footprint) in found.items():
            pd.testing.assert_frame_equal(particles, of_files[0][sim_id][0], check_exact=True)
            assert footprint.equals(of_files[0][sim_id][1])
    # A store keeps particles as they are, and footprints in float32.
    for found in of_stores:
        for sim_id, (particles, footprint) in found.items():
            pd.testing.assert_frame_equal(particles, of_files[0][sim_id][0], check_exact=True)
            rounded = of_files[0][sim_id][1].astype("float32").astype("float64")
            assert footprint.equals(rounded)
            assert float(footprint.sum()) > 0


def digests(model):
    """Bytes of every particle column and footprint, as one digest by simulation."""
    found = {}
    for sim_id in model.simulations.ids(state="complete"):
        particles = Trajectories.from_parquet(model.layout.trajectory(sim_id)).particles
        digest = hashlib.sha256()
        for name in particles:
            digest.update(name.encode() + particles[name].to_numpy().tobytes())
        foot = Footprint.from_netcdf(model.layout.footprint(sim_id, "default")).data
        digest.update(foot.to_numpy().tobytes())
        found[sim_id] = digest.hexdigest()
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_workers_1_2_4_batches_1_7_64_resumed_or_not_are_the_same_bytes(tmp_path, monkeypatch):
    write_demo(tmp_path / "demo")
    times = pd.date_range("2023-07-15 18:00", periods=66, freq="5min")
    receptors = [stilt.PointReceptor(time, -111.85, 40.77, 30.0) for time in times]
    met = {"directory": tmp_path / "demo/met", "file_format": "%Y%m%d_%H", "file_tres": "6h"}
    grid = {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 42, "xres": 0.1, "yres": 0.1}
    config = stilt.ModelConfig(
        mets={"demo": met}, footprints={"default": {"grid": grid}}, n_hours=-1, numpar=30, seed=3
    )
    reference = None
    for workers in (1, 2, 4):
        for size in (1, 7, 64):
            monkeypatch.setattr(plan, "batch_size", lambda *_, size=size: size)
            for resumed in (False, True):
                model = stilt.Model(tmp_path / f"{workers}-{size}-{resumed}", receptors, config)
                ids = model.register_pending()
                if resumed:
                    # Begun by this process alone, and gone on with by others.
                    push_simulations(model, ids[::3])
                push_simulations(model, ids, n_workers=workers)
                found = digests(model)
                assert sorted(found) == sorted(ids)
                reference = reference or found
                assert found == reference, (workers, size, resumed)
