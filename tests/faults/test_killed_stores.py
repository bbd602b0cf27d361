"""Workers and coordinators of a store killed at random moments: nothing lost, nothing twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import stilt_fakes as fakes

import stilt
from stilt.errors import StiltError
from stilt.execution import run_batch
from stilt.project.reading import Located, read_footprint
from tests.faults.test_killed_workers import (
    kill_a_worker_of_a_run,
    kill_coordinator_then_run_again,
    nothing_is_left_running,  # noqa: F401
)
from tests.project.test_store import STORE, contents, shards

RUN = """
import sys
sys.path[:0] = {paths!r}
import stilt, stilt_fakes as fakes
from stilt.execution import run_batch, shelf
shelf.PUBLISH_AFTER_S = {after}
fakes.install()
model = stilt.Model({root!r})
ids = model.pending()
print("begun", flush=True)
for first in range(0, len(ids), 5):
    run_batch(str(model.output_root), ids[first : first + 5])
    model.index.fold()
"""


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing_and_show_nothing_twice(make_model):
    kept = make_model(40, "reference", **STORE)
    run_batch(str(kept.output_root), kept.register_pending())
    kept.index.fold()
    expected = contents(kept)
    model = make_model(40, "killed", **STORE)
    ids = model.register_pending()
    paths = [str(Path(fakes.__file__).parent)]
    code = RUN.format(paths=paths, root=str(model.project), after=0.0)
    moments = random.Random(7)
    completed = [0]
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 0.6))
        process.kill()
        process.wait()
        process.stdout.close()
        model.pending()
        completed.append(model.status()["completed"])
        assert completed[-1] >= completed[-2], "something finished was lost"
        seen = model.index.sql("SELECT sim_id, time, lat, lon, count(*) AS n FROM footprint_cells "
                               "GROUP BY ALL HAVING n > 1")  # fmt: skip
        assert seen.empty, "something is seen twice"
    left = model.pending()
    for first in range(0, len(left), 20):
        run_batch(str(model.output_root), left[first : first + 20])
    model.index.fold()
    assert model.status()["completed"] == 40
    assert contents(model) == expected
    assert sorted(contents(model)) == sorted(ids)


COMPACT = """
import stilt
from stilt.project.compact import compact_store
model = stilt.Model({root!r})
print("begun", flush=True)
compact_store(model.files)
"""


@pytest.mark.slow
def test_compacting_killed_at_random_moments_loses_nothing_and_shows_nothing_twice(make_model):
    model = make_model(12, **STORE)
    ids = model.register_pending()
    for first in range(0, 12, 3):
        run_batch(str(model.output_root), ids[first : first + 3])
    model.index.fold()
    expected = contents(model)
    moments = random.Random(3)
    code = COMPACT.format(root=str(model.project))
    for number in range(12):
        run_batch(str(model.output_root), ids[number : number + 2], skip_existing=False)
        model.index.fold()
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0.0, 0.8))
            process.kill()
        assert model.pending() == []
        assert contents(model) == expected
        seen = model.index.sql("SELECT sim_id, time, lat, lon, count(*) AS n FROM footprint_cells "
                               "GROUP BY ALL HAVING n > 1")  # fmt: skip
        assert seen.empty, "something is seen twice"
    # The last one that was killed may have been done.
    run_batch(str(model.output_root), ids[:2], skip_existing=False)
    model.index.fold()
    assert model.compact().removed > 0
    model.rebuild()
    assert contents(model) == expected
    assert len(shards(model)) == 2
    assert not list(model.layout.store.rglob(".*"))


@pytest.fixture(scope="module")
def check_store(tmp_path_factory):
    """A function that compares a store with one of which nothing was killed."""
    expected = {}

    def check(model, number):
        status = model.status()
        assert (status["total"], status["completed"]) == (number, number)
        if not expected:
            whole = stilt.Model(
                tmp_path_factory.mktemp("whole") / "case", model.receptors, model.config
            )
            run_batch(str(whole.output_root), whole.register_pending())
            whole.index.fold()
            expected.update(contents(whole))
        assert contents(model) == expected
        for view, what in (("footprint_cells", "time, cell"), ("particles", "time, indx")):
            seen = model.index.sql(
                f"SELECT sim_id, {what}, count(*) AS n FROM {view} GROUP BY ALL ORDER BY n"
            )
            assert seen["sim_id"].nunique() == number
            assert seen["n"].iloc[-1] == 1, "something is seen twice"
        # What the shards alone say is the same.
        model.rebuild()
        assert model.status()["completed"] == number
        assert contents(model) == expected

    return check


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_coordinators_of_stores_killed_at_random_moments(
    tmp_path, make_model, steer, moment, check_store
):
    after_s = random.Random(moment).uniform(0, 1.2)
    kill_coordinator_then_run_again(tmp_path, make_model, steer, after_s, check_store, **STORE)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_workers_of_stores_killed_at_random_moments(tmp_path, faked, moment, check_store):
    after_s = random.Random(moment).uniform(0, 1.2)
    kill_a_worker_of_a_run(tmp_path, faked, after_s, check_store, **STORE)


def test_a_thousand_damaged_shards_are_named_or_harmless(make_model):
    model = make_model(2, **STORE)
    ids = model.register_pending()
    run_batch(str(model.output_root), ids)
    (path,) = [each for each in shards(model) if "footprints" in str(each)]
    whole = path.read_bytes()

    def values(shard):
        return [read_footprint(Located(i, shard, "a shard")).data.values.tobytes() for i in ids]

    expected = values(path)
    rng = np.random.default_rng(3)
    sentences = []
    for number in range(1000):
        content = bytearray(whole)
        at = int(rng.integers(0, len(content)))
        if rng.random() < 0.3:
            content = content[:at]
        else:
            end = min(len(content), at + int(rng.integers(1, 64)))
            content[at:end] = rng.bytes(end - at)
        damaged = path.with_name(f"{number}.parquet")
        damaged.write_bytes(bytes(content))
        try:
            assert values(damaged) == expected, "damage was read as data"
        except StiltError as error:
            sentences.append((str(damaged), str(error)))
        damaged.unlink()
    print(f"{len(sentences)} of 1000 damaged copies were refused, the others read as they were")
    assert len(sentences) > 500
    assert all(name in said and "\n" not in said for name, said in sentences)
