"""One result, whatever the schedule, with the real transport on the demo's weather."""

import pandas as pd
import pytest

import stilt
from stilt.demo import write_demo
from stilt.execution import push_simulations, run_batch
from stilt.footprint import Footprint
from stilt.trajectories import Trajectories


def results(model):
    ids = model.simulations.ids(state="complete")
    return {
        sim_id: (
            Trajectories.from_parquet(model.layout.trajectory(sim_id)).particles,
            Footprint.from_netcdf(model.layout.footprint(sim_id, "default")).data,
        )
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

    def project(name):
        model = stilt.Model(tmp_path / name, receptors, config)
        return model, model.register_pending()

    together, ids = project("together")
    assert run_batch(str(together.output_root), ids).n_complete == 4
    single, _ = project("single")
    for sim_id in reversed(ids):
        run_batch(str(single.output_root), [sim_id])
    pooled, _ = project("pooled")
    push_simulations(pooled, ids[:1])
    push_simulations(pooled, ids, n_workers=2)
    reference = results(together)
    assert sorted(reference) == sorted(ids)
    for model in (single, pooled):
        for sim_id, (particles, footprint) in results(model).items():
            pd.testing.assert_frame_equal(particles, reference[sim_id][0], check_exact=True)
            assert footprint.equals(reference[sim_id][1])
        assert len(results(model)) == 4
