"""Receptors with more points than particles: said before a run, and typed in it."""

import json

import pytest
import stilt_fakes as fakes
from click.testing import CliRunner
from inline_backend import Inline

import stilt
from stilt.cli import cli
from stilt.execution import push_simulations
from stilt.observations import LineOfSight, Observation, ViewingGeometry, build_slant_receptor

NOON = "2023-01-01 12:00"
SENTENCE = "The receptor has 40 points, and numpar is 30"
WIND = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}
WITH_ERROR = {"default": {"grid": fakes.GRID, "error": True}}


def stacked(points):
    heights = [float(height) for height in range(points)]
    return stilt.MultiPointReceptor(NOON, [-111.85] * points, [40.77] * points, heights)


def slant(levels):
    return build_slant_receptor(
        Observation(
            time=NOON,
            latitude=40.77,
            longitude=-111.85,
            viewing=ViewingGeometry(viewing_zenith_deg=45.0, viewing_azimuth_deg=90.0),
            line_of_sight=LineOfSight(start_altitude=0.0, end_altitude=4000.0, count=levels),
        )
    )


class Listening(Inline):
    """Keeps what had been said before it was started."""

    def __init__(self, caplog):
        super().__init__()
        self.log, self.said = caplog, ""

    def start(self, project, sim_ids, **options):
        self.said = self.log.text
        return super().start(project, sim_ids, **options)


@pytest.mark.parametrize("errors", [{}, {**WIND, "footprints": WITH_ERROR}])
@pytest.mark.parametrize("make", [stacked, slant])
def test_a_run_says_so_first_and_fails_only_those(tmp_path, faked, caplog, make, errors):
    point = stilt.PointReceptor(NOON, -111.85, 40.77, 5)
    column = stilt.ColumnReceptor(NOON, -111.85, 40.77, 0, 3000)
    receptors = [make(40), make(30), point, column]
    model = stilt.Model(tmp_path, receptors, fakes.config(numpar=30, **errors))
    backend = Listening(caplog)
    model.run(executor=backend)
    sim_id = f"fake_{receptors[0].id}"
    assert f"{sim_id}: TOO_FEW_PARTICLES: {SENTENCE}" in backend.said
    status = model.status()
    assert (status["completed"], status["failed"]) == (3, 1)
    assert model.failure_counts() == {"TOO_FEW_PARTICLES": 1}
    (failure,) = model.failures()
    assert failure["sim_id"] == sim_id
    assert "set numpar to 40 or more" in failure["detail"]
    assert fakes.starts(faked).get(sim_id, 0) == 0
    assert "Raise numpar" in CliRunner().invoke(cli, ["explain", str(tmp_path)]).output


def test_check_says_so(tmp_path):
    (tmp_path / "met").mkdir()
    stilt.Model(tmp_path, [stacked(40), stacked(30)], fakes.config(numpar=30)).store_inputs()
    result = CliRunner().invoke(cli, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert f"TOO_FEW_PARTICLES: {SENTENCE}" in result.output
    entries = json.loads(CliRunner().invoke(cli, ["check", str(tmp_path), "--json"]).output)[
        "result"
    ]
    reasons = [entry["reason"] for entry in entries]
    assert reasons == ["TOO_FEW_PARTICLES", "MISSING_MET_FILES"]


def test_enough_particles_after_all(tmp_path, faked):
    for numpar, completed in ((30, 0), (40, 1)):
        model = stilt.Model(tmp_path, [stacked(40)], fakes.config(numpar=numpar))
        push_simulations(model, model.register_pending())
        assert stilt.Model(tmp_path).status()["completed"] == completed
