"""The command lines of `stilt` and Prefect in processes of their own, and a worker of a pool."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def variables(**more: str) -> dict[str, str]:
    """This process's environment, with the checkout on the path and plain, wide output."""
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), str(ROOT)]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1", **more}


def prefect(*arguments: str) -> str:
    """Call Prefect's command line in the checkout; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        capture_output=True, text=True, env=variables(), cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stilt(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Call our own command line."""
    return subprocess.run(
        [sys.executable, "-m", "stilt", *map(str, arguments)],
        capture_output=True, text=True, env=variables(), check=False,
    )  # fmt: skip


@contextmanager
def worker(pool: str, folder: Path) -> Iterator[None]:
    """A process worker of a work pool, at home in an empty folder, while a block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--limit", "1"],
        env=variables(), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait()
