import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
for folder in (ROOT / "tests" / "support", ROOT / "docs"):
    sys.path.insert(0, str(folder))

from fake_fixtures import faked, make_model, steer  # noqa: E402, F401
