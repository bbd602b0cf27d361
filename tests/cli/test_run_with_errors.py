"""`stilt run` with error parameters, with the real transport on the demo's weather."""

from pathlib import Path

import pandas as pd

from stilt.model import Model

ERRORS = """\
siguverr: 2.6
tluverr: 260
zcoruverr: 450
horcoruverr: 14
sigzierr: 20
tlzierr: 60
horcorzierr: 40
"""


def test_run_makes_the_error_run_and_its_footprints(
    api: str, stilt, project_files, tmp_path: Path
) -> None:
    root = project_files(tmp_path / "case")
    config = (root / "config.yaml").read_text()
    footprint = config.index("    grid:")
    (root / "config.yaml").write_text(
        config[:footprint] + "    error: true\n" + config[footprint:] + ERRORS
    )
    checked = stilt("check", root)
    assert checked.exit_code == 0, checked.output
    result = stilt("run", root)
    assert result.exit_code == 0, result.output
    assert "completed=3" in result.stdout.splitlines()[-1]
    model = Model(root)
    assert model.trajectories.missing(error=True) == []
    for simulation in model.simulations.values():
        main, error = simulation.trajectories, simulation.error_trajectories
        assert error.is_error
        rows = main.particles.merge(error.particles, on=["time", "indx"], suffixes=("", "_error"))
        assert len(rows) == len(main.particles) == 1200
        assert not rows["long"].equals(rows["long_error"])
        assert (rows["foot_error"] >= 0.0).all()
        names = ("default", "default_error")
        totals = [simulation.get_footprint(name).total for name in names]
        assert 0.5 < totals[1] / totals[0] < 2.0
        assert totals[0] != totals[1]

    # Both runs again, alone: the same bytes.
    (first, *_) = model.simulations.values()
    pd.testing.assert_frame_equal(
        first.run_trajectories(error=True).particles,
        first.error_trajectories.particles.drop(columns="datetime"),
        check_exact=True,
    )
    assert "completed=3" in stilt("run", root).stdout.splitlines()[-1]
