import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import slurm_accounting
from slurm_cluster import SlurmCluster, lacking_programs
from slurm_stand_in import install


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for SLURM, first on the path: jobs run here at once."""
    folder = install(tmp_path / "queue")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return folder / "jobs"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """A real SLURM of this machine alone, started for the tests."""
    if missing := lacking_programs():
        pytest.skip(f"needs SLURM ({', '.join(missing)}): make test-slurm installs it on Debian")
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture
def slurm(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The same, chosen by the environment of the test."""
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    return cluster


@pytest.fixture
def accounted(slurm: SlurmCluster) -> SlurmCluster:
    """The same, with accounting."""
    if slurm.accounting is None:
        missing = ", ".join(slurm_accounting.lacking_programs())
        pytest.skip(f"needs SLURM's accounting ({missing}): make test-slurm installs it on Debian")
    return slurm
