"""A project in a bucket: coordinators killed at random moments, taken up on other machines."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stilt_fakes as fakes
from bucket import empty_bucket
from inline_backend import Inline

import stilt
from stilt.execution import push_simulations
from stilt.project import home, leases
from stilt.project.remote import RemoteOutputs
from stilt.project.url_folder import UrlFolder
from stilt.receptors import write_receptors
from tests.project.test_store import STORE, contents

RUN = """
import sys
sys.path[:0] = {paths!r}
import stilt_fakes as fakes
fakes.install()
from inline_backend import Inline
from stilt.execution import engine, shelf
engine.FOLD_EVERY_S, shelf.PUBLISH_AFTER_S = 0.0, 0.0
import fsspec, s3fs
import stilt
print("begun", flush=True)
model = stilt.Model({url!r})
model.run(executor=Inline())
print(model.status()["completed"], flush=True)
"""
KILLS = 20
PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "buckets.md"


@pytest.fixture
def bucket(monkeypatch):
    """The URL of an empty bucket that this process and those it starts can reach."""
    with empty_bucket(monkeypatch) as url:
        yield url


def start(url, folder, number, **changes):
    fakes.config(**changes).to_yaml(folder / "config.yaml")
    write_receptors(folder / "receptors.csv", fakes.receptors(number))
    for name in ("config.yaml", "receptors.csv"):
        UrlFolder(url).put(folder / name, name)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["store", "files"])
def test_killed_coordinators_lose_nothing_and_nothing_is_there_twice(
    bucket, layout, make_model, tmp_path, monkeypatch
):
    changes = {"output": {"layout": layout}}
    local = make_model(40, "local", **changes)
    push_simulations(local, local.register_pending())
    expected = contents(local)
    url = f"{bucket}/case"
    start(url, tmp_path, 40, **changes)
    monkeypatch.setenv("STILT_FAKE_PAUSE", "0.1")
    monkeypatch.setattr(home, "FRESH_S", 0.0)
    code = RUN.format(paths=[str(Path(fakes.__file__).parent)], url=url)
    moments = random.Random(os.environ.get("STILT_TEST_SEED", "3"))
    completed, kills = [0], 0
    for number in range(KILLS):
        folder = tmp_path / f"machine-{number}"
        variables = os.environ | {"STILT_CACHE_DIR": str(folder), "TMPDIR": str(folder)}
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=variables
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / f"looking-{number}"))
        model = stilt.Model(url)
        completed.append(len(expected) - len(model.pending()))
        assert completed[-1] >= completed[-2], "something finished was lost"
    assert kills > KILLS / 2
    monkeypatch.delenv("STILT_FAKE_PAUSE")
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "last"))
    model = stilt.Model(url)
    model.run(executor=Inline())
    assert model.status()["completed"] == 40
    assert contents(model) == expected
    assert UrlFolder(url).listed(leases.FOLDER) == {}
    if layout == "store":
        twice = model.index.sql(
            "SELECT sim_id, time, lat, lon, count(*) AS n FROM footprint_cells "
            "GROUP BY ALL HAVING n > 1"
        )
        assert twice.empty, "something is seen twice"
        model.compact()
        assert len(RemoteOutputs(url).shards()) == 2
        assert contents(model) == expected
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "another"))
    assert contents(stilt.Model(url)) == expected


@pytest.mark.slow
def test_the_code_of_the_page_runs_in_a_bucket(bucket, faked, tmp_path, monkeypatch):
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    url = f"{bucket}/case"
    start(url, tmp_path, 3, **STORE)
    model = stilt.Model(url)
    push_simulations(model, model.register_pending())
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    names = {"stilt": stilt}
    exec(compile(block.replace("s3://bucket/case", url), "buckets.md", "exec"), names)
    assert names["model"].status()["completed"] == 3
