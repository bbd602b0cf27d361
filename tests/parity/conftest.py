import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.parity.cases import REFERENCE_VARIABLE, Case, find_cases, reference_folder


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """The reference cases; tests are skipped where there are none."""
    folder = reference_folder()
    found = find_cases(folder) if folder is not None and folder.is_dir() else []
    if not found:
        pytest.skip(
            "the reference runs of HYSPLIT are not at hand: put their folder into "
            f"{REFERENCE_VARIABLE}, or make some with python -m benchmarks.parity"
        )
    return found


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared weather, shared by all comparisons."""
    return tmp_path_factory.mktemp("prepared")
