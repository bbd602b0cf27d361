"""A run that the system allows too few threads says so before its workers die of it."""

import os
import resource

import pytest

from stilt.errors import UsageError
from stilt.execution import limits
from stilt.execution.processes import WorkerSetUp


@pytest.fixture
def allowed(monkeypatch, tmp_path):
    """Set how many threads a user, of whom 10 run, may have; containers have no limit."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(limits, "_threads_of", lambda uid: 10)
    monkeypatch.setattr(limits, "_CGROUPS", (tmp_path,))

    def allow(number):
        monkeypatch.setattr(resource, "getrlimit", lambda which: (number, number))

    return allow


def test_a_limit_below_what_a_run_takes_is_named(allowed):
    allowed(60)
    assert limits.thread_shortage(2) == (
        "The system lets this run start 50 processes and threads (ulimit -u is 60); with 2 workers "
        "it takes about 70. Should workers die, raise that limit or use fewer workers."
    )
    assert limits.thread_shortage(1) == ""


@pytest.mark.parametrize("number", [resource.RLIM_INFINITY, 100_000, 200])
def test_limits_that_leave_room_are_not(allowed, number):
    allowed(number)
    assert limits.thread_shortage(2) == ""


def test_a_container_has_a_limit_of_its_own(allowed, tmp_path):
    allowed(resource.RLIM_INFINITY)
    (tmp_path / "pids.max").write_text("max\n")
    (tmp_path / "pids.current").write_text("5\n")
    assert limits.thread_shortage(2) == ""
    (tmp_path / "pids.max").write_text("40\n")
    assert "35 processes and threads (pids.max is 40)" in limits.thread_shortage(2)


def test_threads_of_this_user_are_counted():
    if not os.path.exists("/proc/self/task"):
        pytest.skip("this system does not list threads")
    assert limits._threads_of(os.geteuid()) >= 1


def test_workers_that_cannot_share_memory_are_refused_in_a_sentence(monkeypatch) -> None:
    def refused(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("multiprocessing.context.SpawnContext.Event", refused)
    with pytest.raises(UsageError, match="make /dev/shm writable"):
        WorkerSetUp(2)


@pytest.mark.parametrize(("limit", "told"), [(3_000_000_000, True), (8_000_000_000, False)])
def test_little_virtual_memory_is_told_of(monkeypatch, limit, told):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    sentence = limits.address_space_shortage()
    assert bool(sentence) is told
    if told:
        assert sentence.startswith(
            "A process may use only 3.0 GB of virtual memory here (ulimit -v"
        )
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    assert limits.address_space_shortage() == ""
