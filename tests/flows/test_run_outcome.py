"""What the final state of a run counts, with fake transport."""

import pickle

import pytest
import stilt_fakes as fakes

import stilt
from flows.crew import batch_state
from flows.observer import artifact_key
from stilt.execution import BatchSummary, SimulationsFailedError, plan_run
from stilt.execution import plan as planning
from stilt.execution.orders import work_orders
from stilt.execution.places import Folders
from stilt.execution.runs import Outcome, outcome_markdown, outcome_of
from stilt.project.holders import shared

WIND = {"siguverr": 2.0, "tluverr": 100.0, "zcoruverr": 400.0, "horcoruverr": 14.0}


@pytest.mark.parametrize(("what", "pending"), [("fail", 0), ("fail-error", 1)])
def test_a_failed_run_of_either_kind_is_counted_once(
    make_model, steer, what: str, pending: int
) -> None:
    model = make_model(3, **WIND)
    ids = model.register_pending()
    fakes.wish(steer, what, ids[1])
    stilt.push_simulations(model, ids)
    outcome = outcome_of(model.files, ids)
    with pytest.raises(
        SimulationsFailedError,
        match=r"2 of 3 simulations complete, 1 failed \(NO_TRAJECTORY_DATA 1\)",
    ):
        outcome.raise_for_failures()
    assert outcome.counts == {"total": 3, "complete": 2, "empty": 0, "failed": 1, "unfinished": 0}
    assert model.status()["pending"] == pending


def test_a_task_run_with_a_failure_ends_failed_and_hands_over_its_summary() -> None:
    failures = (("x", "DISK", "full"), ("y", "DISK", "full"))
    summary = BatchSummary("b", n_complete=3, n_empty=1, n_failed=2, failures=failures)
    state = batch_state(summary, 6)
    assert state.is_failed()
    assert state.message == "4 of 6 simulations complete, 2 failed (DISK 2)"
    assert pickle.loads(pickle.dumps(state.data)) == summary


def test_reasons_are_not_counted_when_some_are_unknown() -> None:
    summary = BatchSummary("b", n_failed=30, failures=(("x", "DISK", "full"),) * 20)
    assert batch_state(summary, 30).message.endswith("30 failed (DISK)")


def test_a_stopped_task_run_says_so() -> None:
    state = batch_state(BatchSummary("b", n_complete=1, n_interrupted=2), 3)
    assert state.is_failed()
    assert state.message == "1 of 3 simulations complete, 2 stopped"


def test_a_run_knows_its_scenes_and_the_size_of_the_project(make_model) -> None:
    model = make_model(2)
    ids = model.register_pending(scene_id="overpass-7")
    with shared(model.index, ids) as share:
        plan = plan_run(model.files, share.mine, 1, share=share)
    assert plan.scenes == ("overpass-7",)
    assert plan.n_registered == 2


def test_the_summary_says_for_each_reason_what_happened_to_one() -> None:
    failures = [
        {"sim_id": "a", "reason": "DISK", "detail": "no room\nat all"},
        {"sim_id": "b", "reason": "DISK", "detail": "none either"},
        {"sim_id": "c", "reason": "MET_COVERAGE", "detail": "too early"},
    ]
    outcome = Outcome(total=4, complete=1, failures=failures)
    text = outcome_markdown("Valley 2", outcome, {"Outputs": "/data/valley"})
    assert "| failed | 3 |" in text
    assert "- **DISK** (2): `a`: no room at all\n" in text
    assert "- **MET_COVERAGE** (1): `c`: too early\n" in text


def test_the_summary_says_how_many_batches_were_tried_again() -> None:
    again = Outcome(total=4, complete=4, retried=1)
    assert "1 batch was tried again because a worker process died" in again.retried_sentence
    assert again.retried_sentence in outcome_markdown("x", again, {})
    assert "tried again" not in outcome_markdown("x", Outcome(total=4, complete=4), {})


def test_a_key_of_an_artifact_has_what_prefect_allows() -> None:
    assert artifact_key("Valley 2", "summary") == "valley-2-summary"


def test_receptors_go_along_with_batches_unless_they_are_very_many(make_model, monkeypatch) -> None:
    model = make_model(6)
    place = Folders.of(model.files)
    by_id = {f"fake_{receptor.id}": receptor for receptor in model.receptors}

    def carried() -> list:
        plan = plan_run(model.files, model.register_pending(), 2)
        return [
            (order.batch.sim_ids, order.receptors)
            for order in work_orders(model.files, plan, plan.batches, place)
        ]

    assert [(ids, {i: by_id[i] for i in ids}) for ids, _ in carried()] == carried()
    monkeypatch.setattr(planning, "MOST_RECEPTORS_CARRIED", 5)
    assert {receptors for _, receptors in carried()} == {None}
