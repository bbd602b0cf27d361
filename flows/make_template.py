"""Make the database that private Prefect servers start from, as a step of an installation.

    python -m flows.make_template

Without it the first run of each user makes one, which takes some seconds of its start.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from flows.private_server import PrivateServer, template
from stilt.errors import StiltError
from stilt.project.sqlite_files import copy_database


def main() -> int:
    """Make it in the environment that runs this; the exit code says whether it is there."""
    target = template().of_installation
    if target.exists() and template().is_sound(target):
        return 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="stilt-") as home:
            server = PrivateServer(Path(home))
            try:
                server.wait()
                copy_database(server.database.path, target)
            finally:
                server.stop()
    except (OSError, StiltError) as error:
        print(
            f"No template of Prefect's database was made in {sys.prefix}: {error} Each user's "
            "first run makes its own.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
