"""What the final state of a run counts, with fake transport."""

import pickle

import pytest
import stilt_fakes as fakes

import stilt
from flows import bookkeeping, report
from flows.pool import EndedFailedError
from flows.simulate import carried_receptors
from stilt.execution import BatchSummary, plan_batches

WIND = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}


@pytest.mark.parametrize(("what", "pending"), [("fail", 0), ("fail-error", 1)])
def test_a_failed_run_of_either_kind_is_counted_once(
    make_model, steer, monkeypatch, what: str, pending: int
) -> None:
    for name in ("show_failures", "show_summary"):
        monkeypatch.setattr(bookkeeping, name, lambda *args: None)
    model = make_model(3, **WIND)
    ids = model.register_pending()
    fakes.wish(steer, what, ids[1])
    stilt.push_simulations(model, ids)
    state = bookkeeping.conclude(model, ids)
    assert state.is_failed()
    assert "2 of 3 simulations complete, 1 failed (NO_TRAJECTORY_DATA 1)" in state.message
    assert model.status()["pending"] == pending


def test_a_task_run_with_a_failure_ends_failed_and_hands_over_its_summary() -> None:
    failures = (("x", "DISK", "full"), ("y", "DISK", "full"))
    summary = BatchSummary("b", n_complete=3, n_empty=1, n_failed=2, failures=failures)
    state = bookkeeping.batch_state(summary, 6)
    assert state.is_failed()
    assert state.message == "4 of 6 simulations complete, 2 failed (DISK 2)"
    told = pickle.loads(pickle.dumps(state.data))
    assert isinstance(told, EndedFailedError)
    assert (str(told), told.result) == (state.message, summary)


def test_reasons_are_not_counted_when_some_are_unknown() -> None:
    summary = BatchSummary("b", n_failed=30, failures=(("x", "DISK", "full"),) * 20)
    assert bookkeeping.batch_state(summary, 30).message.endswith("30 failed (DISK)")


def test_a_stopped_task_run_says_so() -> None:
    state = bookkeeping.batch_state(BatchSummary("b", n_complete=1, n_interrupted=2), 3)
    assert state.is_failed()
    assert state.message == "1 of 3 simulations complete, 2 stopped"


def test_a_run_knows_its_meteorologies_and_scenes(make_model) -> None:
    model = make_model(2)
    ids = model.register_pending(scene_id="overpass-7")
    mets, scenes = bookkeeping.content(model, ids)
    assert mets == sorted(model.config.mets)
    assert scenes == ["overpass-7"]
    assert bookkeeping.content(model, [])[1] == []


def test_the_summary_says_for_each_reason_what_happened_to_one(monkeypatch) -> None:
    shown: dict[str, str] = {}
    monkeypatch.setattr(report, "create_markdown_artifact", lambda **given: shown.update(given))
    failures = [
        {"sim_id": "a", "reason": "DISK", "detail": "no room\nat all"},
        {"sim_id": "b", "reason": "DISK", "detail": "none either"},
        {"sim_id": "c", "reason": "MET_COVERAGE", "detail": "too early"},
    ]
    counts = {"total": 4, "complete": 1, "failed": 3, "unfinished": 0}
    report.show_summary("Valley 2", counts, failures, {"Outputs": "/data/valley"})
    assert shown["key"] == "valley-2-summary"
    assert "| failed | 3 |" in shown["markdown"]
    assert "- **DISK** (2): `a`: no room at all\n" in shown["markdown"]
    assert "- **MET_COVERAGE** (1): `c`: too early\n" in shown["markdown"]


def test_a_failed_batch_is_not_spelled_out_in_prefects_log() -> None:
    told = EndedFailedError("0 of 1 simulations complete", BatchSummary("b", n_failed=1))
    assert repr(told) == "EndedFailedError()"


def test_receptors_go_along_with_batches_unless_they_are_very_many(make_model, monkeypatch) -> None:
    model = make_model(6)
    batches = plan_batches(model.register_pending(), 2)
    carried = carried_receptors(model.files, batches)
    by_id = {f"fake_{receptor.id}": receptor for receptor in model.receptors}
    assert carried == [{i: by_id[i] for i in batch.sim_ids} for batch in batches]
    monkeypatch.setitem(carried_receptors.__globals__, "MOST_RECEPTORS_CARRIED", 5)
    assert carried_receptors(model.files, batches) == [None] * len(batches)
