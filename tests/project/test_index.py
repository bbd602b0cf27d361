"""The index: a cache of the files that says the same after it was deleted, damaged, or outdated."""

import random
import shutil

import duckdb
import pandas as pd
import pytest
import stilt_fakes as fakes

import stilt
from stilt.errors import UsageError
from stilt.execution import run_batch
from stilt.execution.run_warnings import tell_of_recomputing
from stilt.project import Index
from stilt.project.ahead import Again
from stilt.project.receipts import receipt_files

TIMES = ["created_at", "updated_at"]


def run(model, ids, **options):
    summary = run_batch(str(model.output_root), ids, **options)
    model.index.fold()
    return summary


@pytest.fixture
def mixed(make_model, steer):
    """Six simulations: complete, empty, failed, pending; two scenes."""
    model = make_model(6)
    ids = model.register_pending(scene_id="morning")
    model.register_pending(receptors=fakes.receptors(7)[6:], scene_id="noon")
    fakes.wish(steer, "empty", ids[1])
    fakes.wish(steer, "fail", ids[2])
    run(model, ids[:4])
    return model


def told(model):
    frame = model.simulations.to_frame().drop(columns=TIMES)
    footprints = model.index.sql("SELECT * FROM footprints ORDER BY sim_id, name")
    return frame, footprints


def test_counts_add_up_and_name_reasons(mixed):
    status = mixed.status()
    assert status == {
        "total": 7, "completed": 3, "running": 0, "pending": 3, "failed": 1, "stale": 0,
        "empty": 1, "reasons": {"NO_TRAJECTORY_DATA": 1},
        "made_by": {"cpu, JAX 0.10.2": 3},
    }  # fmt: skip
    assert mixed.status(scene_id="noon")["total"] == 1
    scenes = mixed.scene_counts()
    assert list(scenes) == ["morning", "noon"]
    assert scenes["morning"]["failed"] == 1


def test_a_deleted_index_is_rebuilt_to_the_same_answer(mixed):
    before, footprints = told(mixed)
    status = mixed.status()
    mixed.layout.index.unlink()
    mixed.rebuild()
    after, footprints_after = told(mixed)
    same = [name for name in before if name not in ("generation", "attempts")]
    pd.testing.assert_frame_equal(before[same], after[same], check_dtype=False)
    pd.testing.assert_frame_equal(footprints, footprints_after, check_dtype=False)
    assert mixed.status() == status


def test_an_index_is_rebuilt_when_it_is_asked_for_after_deletion(mixed):
    status = mixed.status()
    mixed.layout.index.unlink()
    assert mixed.status() == status


def test_a_receipt_that_two_processes_record_counts_as_one_attempt(mixed):
    def attempts():
        return mixed.index.sql("SELECT sim_id, attempts FROM simulations ORDER BY sim_id")

    once = attempts()
    assert once["attempts"].max() == 1
    receipts = list(mixed.layout.folded.glob("*.parquet"))
    assert receipts
    for path in receipts:
        shutil.copy(path, mixed.layout.receipts / path.name)
    pd.testing.assert_frame_equal(attempts(), once)  # while they wait
    mixed.index.fold()
    pd.testing.assert_frame_equal(attempts(), once)


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000, "half"])
def test_a_damaged_index_is_rebuilt_with_a_message(mixed, content, caplog):
    status, path = mixed.status(), mixed.layout.index
    if content == "half":
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    assert mixed.status() == status
    assert "rebuilt from the project's files" in caplog.text


@pytest.mark.parametrize("seed", range(8))
def test_an_index_damaged_anywhere_is_rebuilt(mixed, seed):
    """Eight kilobytes of it are garbage, or all after some byte is gone."""
    chance = random.Random(seed)
    status, path = mixed.status(), mixed.layout.index
    before = mixed.simulations.to_frame()["state"].tolist()
    place = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        if seed % 2:
            file.truncate(place)
        else:
            file.seek(place)
            file.write(chance.randbytes(8192))
    assert mixed.status() == status
    assert mixed.simulations.to_frame()["state"].tolist() == before


def test_an_index_of_another_version_is_rebuilt_not_trusted(mixed, caplog):
    status = mixed.status()
    with duckdb.connect(str(mixed.layout.index)) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'schema_version'")
        connection.execute("UPDATE simulations SET state = 'complete'")
    assert mixed.status() == status
    assert "version 0" in caplog.text


def test_the_files_alone_are_enough(mixed):
    """No index, no receipts, no registrations: definitions come from the outputs' metadata."""
    layout = mixed.layout
    layout.index.unlink()
    for folder in (layout.folded, layout.receipts, layout.registrations):
        for path in receipt_files(folder):
            path.unlink()
    mixed.rebuild()
    status = mixed.status()
    assert (status["completed"], status["empty"]) == (3, 1)
    frame = mixed.simulations.to_frame().set_index("sim_id")
    assert frame["receptor"].str.contains("PointReceptor").all()
    totals = mixed.index.sql("SELECT total FROM footprints ORDER BY total")["total"]
    assert totals.iloc[0] == 0
    assert totals.iloc[-1] > 0


def test_a_failure_without_receipt_keeps_the_reason_of_its_log(mixed):
    layout = mixed.layout
    layout.index.unlink()
    for path in receipt_files(layout.folded):
        path.unlink()
    mixed.rebuild()
    assert mixed.failure_counts() == {"NO_TRAJECTORY_DATA": 1}


def test_a_damaged_receipt_is_set_aside_and_nothing_is_lost(make_model, caplog):
    model = make_model(3)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids)
    (receipt,) = receipt_files(model.layout.receipts)
    receipt.write_bytes(receipt.read_bytes()[:100])
    model.index.fold()
    assert "damaged" in caplog.text
    model.index.refresh(model.files.expectations)
    assert model.status()["completed"] == 3


def test_outputs_that_vanish_are_noticed(mixed):
    complete = mixed.simulations.ids(state="complete")
    mixed.layout.footprint(complete[0], "default").unlink()
    assert complete[0] in mixed.pending()
    assert mixed.status()["completed"] == 2


def test_status_sees_receipts_that_are_not_folded_yet(make_model):
    model = make_model(3)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids[:2])
    assert model.status()["completed"] == 2
    assert receipt_files(model.layout.receipts)


def test_an_older_receipt_never_replaces_a_newer_one(make_model, steer):
    model = make_model(1)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids)
    old = receipt_files(model.layout.receipts)[0]
    content = old.read_bytes()
    model.index.fold()
    fakes.wish(steer, "fail", ids[0])
    run(model, ids, skip_existing=False)
    assert model.simulations.ids(reason="NO_TRAJECTORY_DATA") == ids
    old.write_bytes(content)
    model.index.fold()
    assert model.simulations.ids(reason="NO_TRAJECTORY_DATA") == ids


def test_many_receipts_are_joined(make_model, monkeypatch):
    from stilt.project import receipts

    monkeypatch.setattr(receipts, "_JOIN_ABOVE", 3)
    model = make_model(6)
    ids = model.register_pending()
    for sim_id in ids:
        run(model, [sim_id])
    assert len(receipt_files(model.layout.folded)) <= 4
    status = model.status()
    model.layout.index.unlink()
    assert model.status() == status


def test_receipts_are_recorded_in_portions_and_large_ones_stay(make_model, monkeypatch):
    from stilt.project import receipts

    model = make_model(6)
    ids = model.register_pending()
    for sim_id in ids:
        run_batch(str(model.project), [sim_id])
    waiting = receipt_files(model.layout.receipts)
    assert len(waiting) == 6
    size = waiting[0].stat().st_size
    monkeypatch.setattr(receipts, "_JOIN_ABOVE", 3)
    monkeypatch.setattr(receipts, "_LARGE_BYTES", size + size // 2)
    assert [len(portion) for portion in receipts.portions(waiting)] == [1] * 6
    assert model.index.fold() == 6
    assert receipt_files(model.layout.receipts) == []
    status = model.status()
    assert status["completed"] == 6
    model.layout.index.unlink()
    assert model.status() == status


def test_sql_answers_questions_and_changes_nothing(mixed):
    frame = mixed.index.sql("SELECT reason, count(*) AS n FROM simulations GROUP BY reason")
    assert frame["n"].sum() == 7
    for query in ("DELETE FROM simulations", "SELECT * FROM nowhere", "COPY meta TO 'x.csv'"):
        with pytest.raises(UsageError):
            mixed.index.sql(query)
    assert mixed.status()["total"] == 7


def test_rows_lie_in_the_order_of_batches_whatever_the_order_of_receptors(tmp_path):
    model = stilt.Model(tmp_path, list(reversed(fakes.receptors(6))), fakes.config())
    ids = model.register_pending()
    assert ids == sorted(ids, reverse=True)
    for _ in range(2):
        lying = model.index.sql("SELECT sim_id FROM simulations ORDER BY rowid")
        assert lying["sim_id"].tolist() == sorted(ids)
        model.rebuild()


def test_registering_again_changes_no_state_and_keeps_the_scene(mixed):
    before = mixed.simulations.to_frame()
    mixed.register_pending(receptors=fakes.receptors(6))
    after = mixed.simulations.to_frame()
    for column in ("state", "scene_id", "reason", "created_at"):
        pd.testing.assert_series_equal(before[column], after[column])


def test_a_row_cap_removes_the_oldest_finished_rows_only(tmp_path, faked):
    settings = stilt.config.RuntimeSettings(max_rows=3)
    model = stilt.Model(tmp_path / "case", fakes.receptors(5), fakes.config(), runtime=settings)
    ids = model.register_pending()
    assert len(model.simulations) == 5
    run(model, ids[:3])
    assert len(model.simulations) == 3
    assert set(ids[3:]) <= set(model.simulations.keys())


def test_reading_an_index_that_never_was_says_nothing(tmp_path):
    index = Index(tmp_path / ".stilt" / "index.duckdb")
    assert index.counts().total == 0
    assert index.ids() == []
    assert not (tmp_path / ".stilt").exists()


def test_a_project_that_may_not_be_written_can_still_be_read(mixed, monkeypatch):
    import os

    status = mixed.status()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert mixed.status() == status


@pytest.mark.parametrize("layout", ["files", "store"])
def test_the_room_that_outputs_take_is_that_of_their_files(make_model, layout):
    model = make_model(5, output={"layout": layout})
    assert model.index.output_sizes()[:2] == (0, 0)
    ids = model.register_pending()
    run(model, ids[:3])
    run(model, ids[3:])
    folder = model.layout.store if layout == "store" else model.layout.by_id
    files = [path for path in folder.rglob("*") if path.suffix in (".parquet", ".nc")]
    particles = [p for p in files if "particles" in p.parts or p.name.endswith("_traj.parquet")]
    sizes = sum(path.stat().st_size for path in particles)
    assert model.index.output_sizes()[:2] == (
        sizes,
        sum(path.stat().st_size for path in files) - sizes,
    )


def test_outputs_that_an_interrupted_run_forgot_are_found_again(make_model):
    """The index has a time of finishing, but neither keys nor footprints: the files are right."""
    model = make_model(2)
    run(model, model.register_pending())

    def forget(connection):
        connection.execute(
            "UPDATE simulations SET state = 'pending', transport_key = NULL, footprint_keys = ''"
        )
        connection.execute("DELETE FROM footprints")

    model.index.write(forget)
    assert model.status()["completed"] == 0
    assert model.status(verify=True)["completed"] == 2
    assert len(model.footprints["default"].load()) == 2


def test_what_a_run_computes_again_is_counted(make_model):
    model = make_model(4)
    run(model, model.register_pending())
    assert model._look_ahead(None).again == Again()
    regrid = {"default": {"grid": {**fakes.GRID, "xres": 0.2}}}
    for changes, footprints_only in (({"footprints": regrid}, 4), ({"numpar": 6}, 0)):
        changed = make_model(4, **changes)
        assert changed._look_ahead(None).again == Again(4, footprints_only, 0)
    fewer = make_model(1, footprints=regrid)
    assert fewer._look_ahead(None).again == Again(4, 4, unlisted=3)


def test_receptors_of_a_scene_are_not_taken_for_forgotten_ones(make_model):
    model = make_model(3)
    model.register_pending(scene_id="morning")
    model.register_pending(receptors=fakes.receptors(6)[5:])
    assert model._look_ahead(None).again == Again()


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (Again(), ""),
        (Again(4, 4, 0), "4 of 9 simulation(s) have outputs that other settings or other weather "
         "made: they are given new footprints, from the particles that are there. "),
        (Again(4, 0, 0), "they are computed again. "),
        (Again(4, 1, 0), "computed again (1 of them only the footprints). "),
        (Again(0, 0, 3), "3 of 9 simulation(s) are of receptors that are no longer listed but "
         "registered in this project. "),
    ],
)  # fmt: skip
def test_it_is_said_before_a_run_with_what_to_do(again, said, caplog):
    tell_of_recomputing(again, 9)
    if not said:
        assert not caplog.messages
        return
    (message,) = caplog.messages
    assert said in message
    assert message.endswith("stop (Ctrl-C) and run with another --output-dir.")
