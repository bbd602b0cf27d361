"""An image built and entered with tools that need no daemon: mmdebstrap, buildah, chroot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("buildah", "mmdebstrap", "chroot", "mount")
BASE, IMAGE = "localhost/stilt-base", "localhost/stilt-test"
PACKAGES = "python3,python3-venv,ca-certificates"


def lacking() -> list[str]:
    """Return what is not here of what building an image takes."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return missing if os.geteuid() == 0 else [*missing, "root"]


def run(*command: str | Path, timeout_s: float = 1800) -> str:
    """Run a command and return what it prints.

    Raises:
        RuntimeError: the end of what it said.
    """
    done = subprocess.run(
        [str(each) for each in command],
        cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False,
        env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def build(folder: Path) -> None:
    """Make a base of Debian's packages, and the image of deployments/Dockerfile on it."""
    base = folder / "base.tar"
    run("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", base)
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "-q", container, base, "/")
    run("buildah", "commit", "-q", "--rm", container, BASE)
    settings, mounts = pip_settings(folder)
    volumes = [f"--volume={settings}:/etc/pip.conf:ro"]
    volumes += [f"--volume={path}:{path}:ro" for path in mounts]
    run(
        "buildah", "build", "-q", "--layers=false", "--pull-never", "--network=host",
        f"--build-arg=BASE={BASE}", *volumes, "--file=deployments/Dockerfile", f"--tag={IMAGE}",
        ".",
    )  # fmt: skip


def remove() -> None:
    """Remove both images."""
    for name in (IMAGE, BASE):
        subprocess.run(["buildah", "rmi", "-f", name], check=False, capture_output=True)


def size_mb() -> float:
    """Return the size of the image's files."""
    number, unit = run("buildah", "images", "--format={{.Size}}", IMAGE).split()
    return float(number) * {"KB": 1e-3, "MB": 1.0, "GB": 1e3}[unit]


def pip_settings(folder: Path) -> tuple[Path, list[Path]]:
    """Return this machine's settings of pip as one file, and the files that they name."""
    made = folder / "pip"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    listed = run(made / "bin" / "pip", "config", "list")
    settings: dict[str, str] = {}
    for key, value in re.findall(r"^(\S+)='(.*)'$", listed, re.MULTILINE):
        settings[key.rpartition(".")[2]] = value
    named = re.findall(r"(?:file://)?(/[^\s'\\]+)", " ".join(settings.values()))
    places = sorted({path for path in map(Path, named) if path.exists()})
    # An index of files names files beside it.
    mounts = {path if path.is_file() or len(path.parts) <= 3 else path.parent for path in places}
    shutil.rmtree(made)
    written = folder / "pip.conf"
    lines = [f"{key} = {value}".replace("\\n", "\n  ") for key, value in settings.items()]
    written.write_text("\n".join(["[global]", *lines]) + "\n")
    return written, sorted(mounts)


@contextmanager
def entered(folder: Path, uid: int) -> Iterator[list[str]]:
    """Give the beginning of a command that runs in the image: root read-only, another user.

    Args:
        folder: on this machine, which the image sees, writable, as /data.
        uid: of the user, who has no entry in the image.
    """
    container = run("buildah", "from", "--pull-never", IMAGE).strip()
    root = Path(run("buildah", "mount", container).strip())
    (root / "data").mkdir(exist_ok=True)
    os.chown(folder, uid, uid)
    steps: Sequence[tuple[Sequence[str], Path]] = [
        (("--bind", str(root)), root),
        (("-t", "proc", "proc"), root / "proc"),
        (("--bind", "/dev"), root / "dev"),
        (("-t", "tmpfs", "-o", "mode=1777", "tmpfs"), root / "dev" / "shm"),
        (("-t", "tmpfs", "-o", "mode=1777", "tmpfs"), root / "tmp"),
        (("--bind", str(folder)), root / "data"),
    ]
    mounted: list[Path] = []
    try:
        for what, where in steps:
            run("mount", *what, where)
            mounted.append(where)
        run("mount", "-o", "remount,bind,ro", root)
        yield [
            shutil.which("chroot") or "chroot",
            f"--userspec={uid}:{uid}",
            "--groups=",
            str(root),
        ]
    finally:
        for where in reversed(mounted):
            run("umount", "-l", where)
        run("buildah", "umount", container)
        run("buildah", "rm", container)
