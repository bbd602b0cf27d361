from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.environment import environment
from flows.server import prefect_api


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One private server for all tests that run a flow."""
    home: Path = tmp_path_factory.mktemp("prefect")
    with environment({"STILT_CACHE_DIR": str(home / "cache")}), prefect_api(home / "state") as url:
        yield url
