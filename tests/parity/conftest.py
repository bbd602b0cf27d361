import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.parity.cases import REFERENCE_VARIABLE, Case, find_cases, reference_folder


@pytest.fixture(scope="session")
def cases_of() -> Callable[[str], list[Case]]:
    """The reference cases of a weather; a test is skipped where its weather or runs are absent."""
    folder = reference_folder()
    found = find_cases(folder) if folder is not None and folder.is_dir() else []

    def of(weather: str) -> list[Case]:
        chosen = [case for case in found if case.weather == weather]
        if not chosen or not (chosen[0].folder / "met").is_dir():
            pytest.skip(
                f"weather or reference runs of HYSPLIT are not at hand for {weather}: put the "
                f"folder that holds them into {REFERENCE_VARIABLE}, or make some with "
                "python -m benchmarks.parity"
            )
        return chosen

    return of


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared weather, shared by all comparisons."""
    return tmp_path_factory.mktemp("prepared")
