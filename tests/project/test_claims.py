"""Claims: nobody else runs what is claimed, and a dead holder's claim is free at once."""

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from stilt.project import claims
from stilt.project.batches import LEASE_S, mark_running
from stilt.project.owners import is_dead, new_owner, this_place
from stilt.project.receipts import Result, now


@pytest.fixture
def index(make_model):
    model = make_model(4)
    model.register_pending()
    return model.index


def owner_of_an_ended_process():
    code = "from stilt.project.owners import new_owner; print(new_owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_claim_takes_the_first_pending_by_id_once(index):
    one, two = new_owner(), new_owner()
    assert claims.claim(index, one, limit=2) == index.ids()[:2]
    assert claims.claim(index, two, limit=9) == index.ids()[2:]
    assert claims.claim(index, two) == []
    assert index.counts().running == 4


def test_a_dead_holders_claims_are_free_at_once(index):
    dead = owner_of_an_ended_process()
    assert is_dead(dead)
    assert not is_dead(new_owner())
    taken = claims.claim(index, dead, limit=3)
    assert index.counts().running == 0
    assert claims.claim(index, new_owner(), limit=3) == taken


def test_a_lease_from_elsewhere_ends_with_time_only(index):
    elsewhere = "otherhost/1/2|12|34|abcd"
    taken = claims.claim(index, elsewhere, limit=1, lease_s=3600)
    assert claims.claim(index, new_owner(), limit=1) != taken
    late = "otherhost/1/2|56|78|abcd"
    taken = claims.claim(index, late, limit=1, lease_s=-1)
    assert claims.claim(index, new_owner(), limit=1) == taken


def test_renewing_extends_and_releasing_frees(index):
    owner = new_owner()
    claims.claim(index, owner, limit=2, lease_s=1)
    assert claims.renew(index, owner, lease_s=3600) == 2
    end = index.frame(where="owner IS NOT NULL")["lease_end"].min()
    assert end > now() + timedelta(seconds=3000)
    assert claims.release(index, owner) == 2
    assert index.counts().pending == 4


def test_only_the_owner_records_a_claimed_simulation(index):
    mine, other = new_owner(), new_owner()
    (sim_id,) = claims.claim(index, mine)
    receptor = index.receptors([sim_id])[sim_id]
    result = Result(sim_id, receptor, "failed", "UNKNOWN", "late")
    assert index.record([result], owner=other) == 0
    assert index.record([result], owner=mine) == 1
    assert index.counts().failed == 1


def test_simulations_in_a_living_batch_are_not_claimed(index):
    ids = index.ids()
    mark = mark_running(index.layout.running, "b1", new_owner(), ids[:3])
    assert claims.claim(index, new_owner(), limit=9) == ids[3:]
    mark.unlink()
    dead = owner_of_an_ended_process()
    mark_running(index.layout.running, "b2", dead, ids[:3])
    assert claims.claim(index, new_owner(), limit=9) == ids[:3]


def test_a_rebuild_keeps_living_claims(index):
    (sim_id,) = claims.claim(index, new_owner())
    index.rebuild()
    assert index.counts().running == 1
    assert sim_id not in claims.claim(index, new_owner(), limit=9)


def test_the_mark_of_a_batch_elsewhere_ends_with_its_lease(index):
    ids = index.ids()
    mark = mark_running(index.layout.running, "b1", "otherhost/1/2|12|34|abcd", ids[:3])
    assert claims.claim(index, new_owner(), limit=9) == ids[3:]
    assert index.counts().running == 4
    long_ago = time.time() - LEASE_S - 1
    os.utime(mark, (long_ago, long_ago))
    assert claims.claim(index, new_owner(), limit=9) == ids[:3]
    assert not mark.exists()


def test_the_mark_of_a_dead_worker_is_left_to_its_coordinator(index):
    mark = mark_running(index.layout.running, "b1", owner_of_an_ended_process(), index.ids())
    assert index.counts().running == 0
    assert mark.exists()


def test_a_process_of_an_earlier_boot_is_dead():
    host, _, space = this_place().split("/")
    assert is_dead(f"{host}/00000000/{space}|{os.getpid()}|1|abcd")
    assert not is_dead(f"other/00000000/{space}|{os.getpid()}|1|abcd")


def test_a_run_takes_over_what_a_lease_from_elsewhere_no_longer_holds(index):
    claims.claim(index, "otherhost/1/2|12|34|abcd", limit=1, lease_s=-1)
    assert index.counts().running == 0
    assert len(index.in_states(None, states=["pending"])) == 4
