"""The image of deployments/Dockerfile: built here, and used as a stranger with no home would."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_image import build, entered, lacking, remove, size_mb

pytestmark = pytest.mark.slow

UID = 54321
VARIABLES = {"PATH": "/opt/stilt/bin:/usr/bin:/bin", "DO_NOT_TRACK": "1"}
LARGEST_MB = 2_600


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if missing := lacking():
        pytest.skip(f"needs {', '.join(missing)}: make test-image installs it on Debian")
    build(tmp_path_factory.mktemp("image"))
    yield
    remove()


@pytest.fixture
def inside(image: None, tmp_path: Path) -> Iterator:
    data = tmp_path / "data"
    data.mkdir()
    tmp_path.chmod(0o755)
    with entered(data, UID) as prefix:

        def call(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*prefix, *command], env=VARIABLES, capture_output=True, text=True, timeout=900,
                check=False,
            )  # fmt: skip

        yield call


def test_its_size(image: None, record_property) -> None:
    size = size_mb()
    record_property("size_mb", size)
    print(f"{size:.0f} MB")
    assert 300 < size < LARGEST_MB


def test_the_demo_runs_as_another_user_with_a_read_only_root_and_no_home(inside) -> None:
    assert "Read-only file system" in inside("/bin/sh", "-c", "touch /x").stderr
    assert inside("/usr/bin/id", "-u").stdout.strip() == str(UID)
    ended = inside("/opt/stilt/bin/stilt", "demo", "/data/demo", "--n-workers", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Warning" not in ended.stderr
    assert "Traceback" not in ended.stderr
    told = inside("/opt/stilt/bin/stilt", "status", "/data/demo", "--json")
    report = json.loads(told.stdout)["result"]
    assert report["completed"] == report["total"] == 6


def test_it_says_its_version(inside) -> None:
    assert inside("/opt/stilt/bin/stilt", "--version").stdout.startswith("stilt, version ")
