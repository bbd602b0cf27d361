"""Runs past this process whose outputs go to a bucket: an S3 stand-in on this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from bucket import empty_bucket
from commands import stilt, worker
from written import outputs

from flows import simulate
from stilt.model import Model
from stilt.project.remote import RemoteOutputs

# Read by every process that finds it: a process of a pool or of Dask cannot write the index.
GUARD = """\
import sys
if "--multiprocessing-fork" in sys.orig_argv:
    import duckdb
    connect = duckdb.connect
    def read_only(database=":memory:", read_only=False, **options):
        if str(database) != ":memory:" and not read_only:
            raise RuntimeError(f"a worker writes to {database}")
        return connect(database, read_only=read_only, **options)
    duckdb.connect = read_only
"""


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty bucket that this process and those it starts can reach."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(GUARD)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    )
    with empty_bucket(monkeypatch) as url:
        yield f"{url}/case"


@pytest.fixture
def local(api: str, new_project) -> dict[str, object]:
    """Outputs of the same project, computed in this process into a folder."""
    root = new_project("local")
    simulate(root)
    return outputs(root)


def fetched(url: str, folder: Path) -> dict[str, object]:
    """Everything that a bucket holds, by name."""
    fsspec.filesystem("s3").get(url, str(folder), recursive=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = outputs(folder)
    assert len(found) == len(files), "only the folders of simulations are published"
    return found


@pytest.mark.slow
def test_a_deployment_publishes_in_a_bucket(
    api: str, bucket: str, local: dict[str, object], new_project, tmp_path: Path
) -> None:
    root = new_project("submitted")
    with (root / "config.yaml").open("a") as file:
        file.write("execution: {backend: prefect, n_workers: 2, work_pool: cloud}\n")
    assert stilt("deploy", "--pool", "cloud").returncode == 0
    with worker("cloud", tmp_path):
        done = stilt("run", root, "--wait", "--output-dir", bucket)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "backend=prefect" in done.stdout
    assert "completed=3" in done.stdout
    assert fetched(bucket, tmp_path / "fetched") == local
    assert not list(root.glob("simulations"))
    assert Model(project=root, output_dir=bucket).status()["completed"] == 3


@pytest.mark.slow
def test_dask_workers_publish_in_a_bucket(
    api: str, bucket: str, local: dict[str, object], new_project, tmp_path: Path
) -> None:
    root = new_project("dask")
    with (root / "config.yaml").open("a") as file:
        file.write("execution: {backend: dask, n_workers: 2}\n")
    assert simulate(root, output_dir=bucket)["complete"] == 3
    assert fetched(bucket, tmp_path / "fetched") == local
    assert not list(root.glob("simulations"))
    elsewhere = Model(project=new_project("elsewhere"), output_dir=bucket)
    assert elsewhere.pending() == []
    assert len(RemoteOutputs(bucket).files()) == 3


@pytest.mark.slow
def test_a_project_in_the_bucket_is_computed_by_dask_workers_and_by_a_deployment(
    api: str, bucket: str, local: dict[str, object], new_project, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    root = new_project("here")
    kept = (root / "config.yaml").read_text()
    filesystem = fsspec.filesystem("s3")
    for name, more in (
        ("dask", "execution: {backend: dask, n_workers: 2}\n"),
        ("deployed", "execution: {backend: prefect, n_workers: 2, work_pool: cloud}\n"),
    ):
        url = f"{bucket}/{name}"
        (root / "config.yaml").write_text(kept + more)
        for file in ("config.yaml", "receptors.csv"):
            filesystem.put(str(root / file), f"{url}/{file}")
        if name == "dask":
            assert simulate(url)["complete"] == 3
        else:
            assert stilt("deploy", "--pool", "cloud").returncode == 0
            with worker("cloud", tmp_path):
                done = stilt("run", url, "--wait")
            assert done.returncode == 0, done.stdout + done.stderr
            assert "completed=3" in done.stdout
        there = tmp_path / f"fetched-{name}"
        filesystem.get(f"{url}/simulations", str(there / "simulations"), recursive=True)
        assert outputs(there) == local
        assert filesystem.find(f"{url}/.stilt/receipts")
        monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / f"another-{name}"))
        assert Model(url).status()["completed"] == 3
    assert not list(root.glob("simulations"))


@pytest.mark.slow
def test_the_guard_of_these_tests_sees_a_worker_that_writes(bucket: str, tmp_path: Path) -> None:
    code = (
        "import multiprocessing, sys\n"
        "pool = multiprocessing.get_context('spawn').Pool(1)\n"
        "pool.apply(exec, (f'import duckdb; duckdb.connect({sys.argv[1]!r})',))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index.duckdb")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "a worker writes to" in done.stderr
