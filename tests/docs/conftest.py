import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from fake_fixtures import faked, make_model, steer  # noqa: F401
