"""`stilt status --watch`: runs followed from beside them."""

from datetime import timedelta
from pathlib import Path

import pytest

from stilt import Model, push_simulations
from stilt.cli.watch import watch
from stilt.project.batches import mark_running
from stilt.project.owners import array_owner, new_owner, this_place
from stilt.project.progress import progress
from stilt.project.receipts import now


@pytest.fixture
def model(new_project) -> Model:
    made = Model(new_project("watched"))
    made.register_pending()
    return made


def test_nobody_computes(model: Model, stilt) -> None:
    ended = stilt("status", model.project, "--watch")
    assert ended.exit_code == 1
    assert "Nobody computes this project now." in ended.output
    assert "total=3  completed=0" in ended.output
    assert progress(model.files).per_minute is None


def test_workers_are_counted_by_host(model: Model) -> None:
    ids, layout = model.pending(), model.files.layout
    elsewhere = "node7/0a1b2c3d/4026531836|41|123|abcd", "node7/0a1b2c3d/4026531836|42|124|abce"
    for number, owner in enumerate((new_owner(), *elsewhere)):
        mark_running(layout.running, f"b{number}", owner, ids[number : number + 1])
    mark_running(layout.planned, "all", new_owner(), ids)
    seen = progress(model.files)
    assert seen.going_on
    assert {host.host: (host.n_workers, host.n_simulations) for host in seen.hosts} == {
        this_place().split("/")[0]: (1, 1),
        "node7": (2, 2),
    }
    (run,) = seen.runs
    assert run.startswith("process ")


def test_an_array_that_cannot_be_asked_for_counts_as_going_on(model: Model, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    mark_running(model.files.layout.planned, "array", array_owner("41"), model.pending())
    (run,) = progress(model.files).runs
    assert run.startswith("the job array 41 of SLURM")


def test_a_run_is_followed_to_its_end(model: Model, capsys) -> None:
    mark = mark_running(model.files.layout.planned, "run", new_owner(), model.pending())
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        push_simulations(model, model.pending()[:2])
        if len(pauses) == 2:
            mark.unlink()

    assert watch(model.files, 7.0, pause) == 0
    assert pauses == [7.0, 7.0]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("completed=")[1][0] for line in lines] == ["0", "2", "3"]
    assert "simulations/min" in lines[-1]


def test_failures_are_told_once_as_they_come(new_project, capsys) -> None:
    root: Path = new_project(
        "failing", "time,longitude,latitude,altitude\n2023-07-15 18:00,0,0,5\n"
    )
    model = Model(root)
    mark = mark_running(model.files.layout.planned, "run", new_owner(), model.pending())

    def pause(seconds: float) -> None:
        push_simulations(model, model.pending())
        mark.unlink()

    assert watch(model.files, 1.0, pause) == 1
    out = capsys.readouterr().out
    assert out.count("MET_COVERAGE") == 1 or out.count("RECEPTOR_") == 1


def test_rate_and_time_left(model: Model) -> None:
    ids = model.pending()
    mark_running(model.files.layout.planned, "run", new_owner(), ids)
    push_simulations(model, ids[:2])
    begun = now() - timedelta(minutes=4)
    model.index.write(
        lambda connection: connection.execute(
            "UPDATE simulations SET started_at = ? WHERE state = 'complete'", [begun]
        )
    )
    seen = progress(model.files)
    assert seen.per_minute == pytest.approx(2 / 4, rel=0.05)
    assert seen.left_s == pytest.approx(60 * 1 / (2 / 4), rel=0.05)


def test_options_that_do_not_go_together(model: Model, stilt) -> None:
    ended = stilt("status", model.project, "--watch", "--json")
    assert ended.exit_code == 2
