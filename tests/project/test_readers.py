"""Readers of a run that goes on: they see what batches have reported, and write nothing."""

import copy
import pickle

import pandas as pd
import pytest
import stilt_fakes as fakes

import stilt
from stilt.errors import UsageError
from stilt.execution import run_batch
from stilt.project import claims
from stilt.project.owners import new_owner
from stilt.project.receipts import receipt_files

FIRST = "fake_202301010000_-111.85_40.77_5"


def state_of_disk(root):
    """Content and date of every file that the program keeps for itself."""
    return {
        path.relative_to(root): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted((root / ".stilt").rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def going_on(make_model, steer):
    """A run with one receipt recorded and one waiting: complete, empty, failed, unregistered."""
    model = make_model(8)
    ids = model.register_pending(scene_id="morning")
    fakes.wish(steer, "empty", ids[1])
    fakes.wish(steer, "fail", ids[2])
    run_batch(str(model.output_root), ids[:2])
    model.index.fold()
    stranger = stilt.Model(model.output_root, fakes.receptors(9)[8:], fakes.config())
    stranger.store_inputs()
    fakes.wish(steer, "fail", ids[0])
    summary = run_batch(
        str(model.output_root),
        [ids[0], ids[2], ids[3], f"fake_{stranger.receptors[0].id}"],
        skip_existing=False,
    )
    assert summary.n_failed == 2
    assert len(receipt_files(model.layout.receipts)) == 1
    return model


def everything(model):
    """An answer of every kind."""
    simulations = model.simulations
    return [
        model.status(), model.scene_counts(), model.failures(), model.failure_counts(),
        len(simulations), list(simulations), simulations.ids(state=("complete", "failed")),
        simulations.ids(footprint="default"), simulations.incomplete(),
        simulations.to_frame().to_csv(), FIRST in simulations, simulations[FIRST].status,
        simulations[FIRST].explain()["state"], model.trajectories.paths(),
        model.trajectories.missing(), model.footprints["default"].paths(),
        model.index.sql("SELECT * FROM footprints ORDER BY ALL").to_csv(),
        model.index.times(), model.index.footprint_names(),
    ]  # fmt: skip


def test_questions_write_nothing(going_on):
    before = state_of_disk(going_on.output_root)
    first = everything(going_on)
    assert state_of_disk(going_on.output_root) == before
    (receipt,) = receipt_files(going_on.layout.receipts)
    receipt.write_bytes(receipt.read_bytes()[:99])
    before = state_of_disk(going_on.output_root)
    assert everything(going_on) != first
    assert state_of_disk(going_on.output_root) == before


def test_a_question_does_not_touch_inputs_that_mean_something_else(going_on):
    root = going_on.output_root
    before = (root / "config.yaml").read_bytes()
    other = stilt.Model(root, config=fakes.config(numpar=6))
    assert set(other.simulations.ids(state="stale")) <= set(other.simulations.incomplete())
    assert other.status()["stale"]
    assert (root / "config.yaml").read_bytes() == before


def test_readers_see_before_recording_what_they_see_after(going_on):
    before = everything(going_on)
    table = going_on.simulations.to_frame()
    assert going_on.index.fold() == 4
    assert everything(going_on)[:9] == before[:9]
    after = going_on.simulations.to_frame()
    same = [name for name in after if name not in ("created_at", "updated_at")]
    pd.testing.assert_frame_equal(table[same], after[same], check_dtype=False)
    assert everything(going_on)[10:] == before[10:]


def test_a_waiting_receipt_does_not_take_a_claim_away(make_model):
    model = make_model(2)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids[:1])
    assert claims.claim(model.index, new_owner(), limit=1) == ids[:1]
    assert model.status()["running"] == 1
    model.index.fold()
    assert model.status()["running"] == 1


def test_the_table_has_the_states_that_status_counts(going_on):
    changed = stilt.Model(going_on.output_root, config=fakes.config(numpar=6))
    counts = changed.status()
    states = changed.simulations.to_frame()["state"].value_counts().to_dict()
    assert states.get("stale", 0) == counts["stale"] > 0
    assert states.get("failed", 0) == counts["failed"]
    assert sum(states.values()) == counts["total"]
    for state in states:
        assert len(changed.simulations.to_frame(state=state)) == states[state]


def test_incomplete_takes_the_filters_of_the_others(going_on):
    simulations = going_on.simulations
    failed = simulations.ids(state="failed")
    assert len(failed) == 2
    assert simulations.incomplete(state="failed") == failed
    assert simulations.incomplete(reason="NO_TRAJECTORY_DATA") == failed
    with pytest.raises(UsageError, match="Unknown scene 'noon': known are morning"):
        simulations.incomplete(scene_id="noon")
    assert set(simulations.incomplete(scene_id="morning")) < set(simulations.ids())
    assert simulations.incomplete(state="complete") == []
    assert set(simulations.incomplete(state="pending")).isdisjoint(failed)


def test_files_take_the_filters_of_the_others(going_on):
    for files in (going_on.trajectories, going_on.footprints["default"]):
        complete = files.paths(state="complete")
        assert [path.parent.name for path in complete] == going_on.simulations.ids(state="complete")
        assert len(files.load(state="complete")) == len(complete)
        with pytest.raises(UsageError, match="Unknown scene 'mourning': did you mean 'morning'"):
            files.paths(scene_id="mourning")
        assert set(files.paths(scene_id="morning")) <= set(files.paths())
        assert files.paths(reason="MET_COVERAGE") == []


def test_what_is_not_registered_is_pending(make_model):
    model = make_model(3)
    ids = [f"fake_{receptor.id}" for receptor in model.receptors]
    assert model.simulations.incomplete() == ids
    assert model.simulations.incomplete(state="pending") == ids
    assert model.simulations.incomplete(state="failed") == []
    with pytest.raises(UsageError, match="Unknown scene 'noon': there are none"):
        model.simulations.incomplete(scene_id="noon")


def test_an_unknown_state_is_named(make_model):
    with pytest.raises(UsageError, match="Unknown state 'done': known are pending"):
        make_model(1).simulations.ids(state="done")


def test_what_people_expect_of_arrays_is_answered(make_model):
    model = make_model(1)
    run_batch(str(model.output_root), model.register_pending())
    footprints, found = model.footprints["default"], model.footprints["default"].load()[0]
    for owner, name, said in (
        (footprints, "sel", r"'FootprintCollection' object has no attribute 'sel': select simul.*"
                            r"load\(time_range=.*open\(\)\.sel"),
        (model.trajectories, "isel", "has no attribute 'isel': select simulations by keywords"),
        (model.footprints, "mean", r"say of which footprints, as in footprints\[NAME\]\.mean"),
        (found, "sel", r"array, as in footprint\.data\.sel"),
        (found, "lat", r"array, as in footprint\.data\.lat"),
        (found, "nothing", "'Footprint' object has no attribute 'nothing'$"),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=said):
            getattr(owner, name)
    assert pickle.loads(pickle.dumps(found)).total == copy.deepcopy(found).total == found.total
