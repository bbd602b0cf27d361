"""Outputs removed or cut behind the program's back: readers say so, and --verify looks."""

import logging
import shutil

import pytest

import stilt
from stilt.errors import StiltError
from stilt.execution import run_batch
from stilt.roots import shown

NUMBER = 6


@pytest.fixture
def model(make_model):
    """Six complete simulations."""
    model = make_model(NUMBER)
    stilt.push_simulations(model, model.register_pending())
    return model


def warnings_of(caplog, use):
    """What is warned of while something is called."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        use()
    return [record.getMessage() for record in caplog.records]


def test_reading_says_which_files_are_gone(model, caplog):
    ids = model.simulations.ids()
    shutil.rmtree(model.layout.simulation_dir(ids[1]))
    model.layout.footprint(ids[4], "default").unlink()
    feet = model.footprints["default"]
    for use in (feet.paths, feet.load, feet.mean, feet.sum, feet.select):
        (said,) = warnings_of(caplog, use)
        assert said.startswith("2 of 6 files are gone that the index has")
        assert str(model.layout.footprint(ids[1], "default")) in said
        assert "stilt run" in said
    for use in (model.trajectories.paths, model.trajectories.load):
        (said,) = warnings_of(caplog, use)
        assert said.startswith("1 of 6 files are gone that the index has")
    assert warnings_of(caplog, lambda: feet.paths(time_range=(ids[2][5:17],) * 2)) == []


@pytest.mark.parametrize("damage", ["gone", "folder", "half", "zeros"])
def test_verifying_counts_what_the_files_are_and_a_run_repairs(model, caplog, damage):
    before = model.index.sql("SELECT sim_id, finished_at FROM simulations ORDER BY ALL")
    sim_id = model.simulations.ids()[3]
    path = model.layout.footprint(sim_id, "default")
    content = path.read_bytes()
    if damage == "folder":
        shutil.rmtree(path.parent)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else bytes(len(content)))
        with pytest.raises(StiltError, match="run the simulation again"):
            model.footprints["default"].mean()
    assert model.status()["completed"] == NUMBER
    counts = []
    said = warnings_of(caplog, lambda: counts.append(model.status(verify=True)))
    assert any("files of 1 simulation(s) are not as recorded" in text for text in said)
    assert (counts[0]["completed"], counts[0]["pending"]) == (NUMBER - 1, 1)
    # The index has been put right, so that it says the same from now on.
    assert model.status() == counts[0]
    assert model.simulations.to_frame(state="pending")["sim_id"].tolist() == [sim_id]
    assert model.pending() == [sim_id]
    stilt.push_simulations(model, [sim_id])
    assert model.status()["completed"] == NUMBER
    assert warnings_of(caplog, lambda: model.status(verify=True)) == []
    after = model.index.sql("SELECT sim_id, finished_at FROM simulations ORDER BY ALL")
    assert after["finished_at"].ne(before["finished_at"]).sum() == 1


def test_the_command_line_verifies(model):
    from click.testing import CliRunner

    from stilt.cli import cli

    model.layout.footprint(model.simulations.ids()[0], "default").unlink()
    root = str(model.output_root)
    believed = CliRunner().invoke(cli, ["status", root])
    looked = CliRunner().invoke(cli, ["status", root, "--verify"])
    again = CliRunner().invoke(cli, ["status", root])
    assert "completed  6" in believed.output
    assert "completed  5" in looked.output
    assert "completed  5" in again.output


def test_what_a_batch_reports_while_files_are_looked_at_stays(model, monkeypatch):
    """A file that was not there yet when its folder was listed is not taken for gone."""
    from stilt.project import update

    sim_id = model.simulations.ids()[0]
    path = model.layout.footprint(sim_id, "default")
    path.unlink()
    real = update.scan

    def slow_scan(*args, **kwargs):
        found = real(*args, **kwargs)
        run_batch(str(model.output_root), [sim_id])
        model.index.fold()
        return found

    monkeypatch.setattr(update, "scan", slow_scan)
    model.index.refresh(None)
    assert path.exists()
    assert model.status()["completed"] == NUMBER


def test_a_file_that_is_gone_is_said_by_every_command(model, tmp_path):
    from click.testing import CliRunner

    from stilt.cli import cli

    sim_id = model.simulations.ids()[0]
    path = model.layout.footprint(sim_id, "default")
    path.unlink()
    root = str(model.project)

    def said(*words: str) -> str:
        return " ".join(CliRunner().invoke(cli, list(words)).output.split())

    for out in ("one.nc", "one.zarr", "one.parquet", "files/"):
        text = said("export", root, f"{tmp_path}/{out}")
        assert f"Error: {path} is gone: `stilt run` " in text, text
        assert not (tmp_path / out).exists() or out == "files/"
    text = said("plot", root, sim_id)
    assert text.startswith(f"Error: {path} is gone: `stilt run ")
    text = said("explain", root, sim_id)
    assert f"gone: {path}; `stilt run {shown(model.project)}` computes it again" in text
    assert "nothing has gone wrong" not in text
    model.layout.trajectory(sim_id).unlink()
    text = said("plot", root, sim_id, "--kind", "particles")
    assert "is gone: `stilt run " in text
    stilt.push_simulations(model, model.pending())
    assert "nothing has gone wrong" in said("explain", root, sim_id)


def test_a_file_of_another_simulation_is_found_by_what_is_stored_in_it(model, caplog):
    """It was copied or renamed by hand: its influence belongs to another time or place."""
    theirs, mine = model.simulations.ids()[1:3]
    layout = model.layout
    for path in (layout.footprint, layout.trajectory):
        named = ("default",) if path == layout.footprint else ()
        shutil.copyfile(path(theirs, *named), path(mine, *named))
    feet, kept = model.footprints["default"], model.trajectories
    receptor = theirs.partition("_")[2]
    for use in (feet.load, feet.mean, lambda: feet[mine], kept.load, lambda: kept[mine]):
        with pytest.raises(StiltError, match=f"{mine}: .* of another receptor, {receptor}: delete"):
            use()
    caplog.clear()
    assert model.status(verify=True)["completed"] == NUMBER - 1
    assert f"is not of its simulation, but of the receptor {receptor}" in caplog.text
    assert model.simulations.ids(state="pending") == [mine]
    shutil.rmtree(layout.state)
    fresh = stilt.Model(model.project)
    caplog.clear()
    fresh.rebuild()
    assert f"is not of its simulation, but of the receptor {receptor}" in caplog.text
    assert mine not in fresh.simulations.ids(state="complete")
    fresh.register_pending()
    run_batch(str(layout.root), [mine])
    assert fresh.status()["completed"] == NUMBER
    assert len(fresh.footprints["default"].load()) == NUMBER


def test_the_log_of_a_failure_is_not_shown_of_an_attempt_that_succeeded(make_model, steer):
    """The file stays, since it says what went wrong before."""
    from click.testing import CliRunner

    from stilt.cli import cli

    model = make_model(1)
    (sim_id,) = model.register_pending()
    wish = steer / "fail" / sim_id
    wish.parent.mkdir()
    wish.touch()
    stilt.push_simulations(model, [sim_id])
    assert "Reason: " in model.simulations[sim_id].explain()["log_text"]
    wish.unlink()
    stilt.push_simulations(model, [sim_id])
    found = model.simulations[sim_id].explain()
    assert (found["state"], found["log_text"]) == ("complete", "")
    assert found["log"]
    shown = CliRunner().invoke(cli, ["explain", str(model.project), sim_id]).output
    assert "stilt.log (of an earlier attempt, which failed)" in shown
    assert "Reason: " not in shown


@pytest.mark.parametrize("wish", ["fail", "fail-error", "empty"])
def test_verifying_finds_nothing_wrong_where_files_are_as_the_run_left_them(
    make_model, steer, caplog, wish
):
    model = make_model(3)
    ids = model.register_pending()
    (steer / wish).mkdir()
    (steer / wish / ids[1]).touch()
    stilt.push_simulations(model, ids)
    before = model.status()
    for _ in range(2):
        assert warnings_of(caplog, lambda: model.status(verify=True)) == []
    assert model.status() == before
