import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from flows.api import prefect_api
from stilt.compiler import request_options
from stilt.demo import write_demo
from stilt.execution.environment import environment
from stilt.execution.setup import own_process

# Tests compute in this process as a worker does: code is compiled here, with the same options.
own_process()
request_options()

# A shell lets its background jobs ignore Ctrl-C (`make test &`), and what they start inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a failure is one of the change at hand.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")

CONFIG = """\
mets:
  demo:
    directory: {met}
    file_format: "%Y%m%d_%H"
    file_tres: 6h
footprints:
  default:
    grid: {{xmin: -113, xmax: -111, ymin: 40, ymax: 41.5, xres: 0.1, yres: 0.1}}
n_hours: -1
numpar: 20
seed: 1
"""

RECEPTORS = """\
time,longitude,latitude,altitude
2023-07-15 18:00,-111.85,40.77,30
2023-07-15 19:00,-111.85,40.77,30
2023-07-15 20:00,-111.85,40.77,30
"""


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One private Prefect server for all tests that run a flow."""
    home: Path = tmp_path_factory.mktemp("prefect")
    with environment({"XDG_CACHE_HOME": str(home / "cache")}), prefect_api(home / "state") as url:
        yield url


@pytest.fixture(scope="session")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo's synthetic ARL files."""
    root = tmp_path_factory.mktemp("weather")
    write_demo(root / "demo")
    return root / "demo" / "met"


@pytest.fixture(scope="session")
def project_files(weather: Path) -> Callable[..., Path]:
    """Write a small project into a folder: three receptors, one hour, twenty particles."""

    def write(root: Path, receptors: str = RECEPTORS) -> Path:
        root.mkdir(exist_ok=True)
        (root / "config.yaml").write_text(CONFIG.format(met=weather))
        (root / "receptors.csv").write_text(receptors)
        return root

    return write


@pytest.fixture
def new_project(project_files: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a small project with a name of its own."""
    return lambda name, *receptors: project_files(tmp_path / name, *receptors)
