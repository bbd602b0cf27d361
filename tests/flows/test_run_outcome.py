"""What the final state of a run counts, with fake transport."""

import pytest
import stilt_fakes as fakes

import stilt
from flows import bookkeeping

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
