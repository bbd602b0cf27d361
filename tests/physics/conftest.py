import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from strict_jax import strict_promotion
from synthetic_weather import Laboratory

__all__ = ["lab", "strict_promotion"]


@pytest.fixture
def lab(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)
