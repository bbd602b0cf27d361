"""Python and its packages: against the ranges of this package, and against its lock file."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from stilt.doctor.finding import Finding, fine, problem, warning
from stilt.installation import pystilt_in
from stilt.version import __version__

NAME = "stilt"
Installed = Callable[[str], str | None]
SHOWN = 6

# What an extra is for, where its name does not say it.
EXTRAS = {
    "plots": "pictures",
    "dask": "the dask backend",
    "download": "fetching weather from NOAA's archives",
    "grib": "GRIB files",
    "zarr": "Zarr stores",
}

_PINNED = re.compile(
    r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?$", re.M
)


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, None when it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def package_findings(lock: Path | None = None) -> Iterator[Finding]:
    """Look at Python, dependencies, extras, the lock file, and other packages of this name.

    Args:
        lock: the lock file; None takes that of the checkout which this package runs from.
    """
    described = metadata.metadata(NAME)
    yield python_finding(platform.python_version(), described["Requires-Python"] or "")
    required = [Requirement(text) for text in metadata.requires(NAME) or ()]
    yield ranges_finding(required, installed_version)
    yield extras_finding(required, installed_version)
    path = lock or Path(__file__).resolve().parents[2] / "requirements.lock"
    if path.is_file():
        yield lock_finding(path.read_text(encoding="utf-8"), installed_version)
    yield pystilt_finding(Path(__file__).resolve().parents[2])
    yield command_finding(shutil.which("stilt"), Path(sys.prefix))


def python_finding(version: str, wanted: str) -> Finding:
    """Compare a version of Python with the range this package is for."""
    found = f"stilt {__version__} on Python {version}"
    if SpecifierSet(wanted).contains(version, prereleases=True):
        return fine("python", f"{found}.")
    return problem(
        "python",
        f"{found}, which is outside {wanted}.",
        "Make an environment with another Python.",
    )


def ranges_finding(required: list[Requirement], installed: Installed) -> Finding:
    """Compare installed packages with the ranges that this package declares for them."""
    wrong = []
    needed = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        version = installed(one.name)
        if version is None:
            wrong.append(f"{one.name} is not installed")
        elif not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version} is not {one.specifier}")
    if wrong:
        return problem(
            "packages",
            f"{_some(wrong)}.",
            "Install stilt again in this environment: pip install .",
        )
    return fine("packages", f"All {len(needed)} dependencies are within their ranges.")


def extras_finding(required: list[Requirement], installed: Installed) -> Finding:
    """Say which extras are complete, and how to install the others."""
    lacking: list[str] = []
    there: list[str] = []
    for extra, purpose in EXTRAS.items():
        of_extra = [
            one
            for one in required
            if one.marker is not None
            and one.marker.evaluate({"extra": extra})
            and not one.marker.evaluate({"extra": ""})
        ]
        complete = all(
            (version := installed(one.name)) is not None
            and one.specifier.contains(version, prereleases=True)
            for one in of_extra
        )
        (there if complete else lacking).append(extra if complete else f"{extra} ({purpose})")
    found = f"Installed: {', '.join(there) or 'none'}."
    if lacking:
        found += f" Not installed, and needed only for what is named: {', '.join(lacking)}."
    return fine("extras", found)


def lock_finding(text: str, installed: Installed) -> Finding:
    """Compare installed packages with a lock file.

    Packages that are not installed are left out: the lock has those of all extras and systems.
    """
    from packaging.markers import Marker

    pinned: dict[str, set[str]] = {}
    for name, version, marker in _PINNED.findall(text):
        if not marker or Marker(marker).evaluate():
            pinned.setdefault(canonicalize_name(name), set()).add(version)
    other = [
        f"{name} {version} ({' or '.join(sorted(pinned[name]))})"
        for name in sorted(pinned)
        if (version := installed(name)) is not None and version not in pinned[name]
    ]
    if other:
        return warning(
            "lock",
            f"{len(other)} package(s) differ from requirements.lock: {_some(other)}.",
            "Results agree within rounding; for the same bytes run `make install`.",
        )
    return fine("lock", "Installed packages are those of requirements.lock.")


def pystilt_finding(folder: Path) -> Finding:
    """Say whether PYSTILT, whose package is also named `stilt`, is in the same environment.

    Args:
        folder: the one that holds this package.
    """
    owners = metadata.packages_distributions().get("stilt", [])
    found = pystilt_in(str(folder)) or next((one for one in owners if one == "pystilt"), "")
    if found:
        return problem(
            "pystilt",
            "PYSTILT is installed in this environment, and writes into the same folder.",
            "Use an environment for each: pip uninstall pystilt, then install stilt again.",
        )
    return fine("pystilt", "PYSTILT is not in this environment.")


def command_finding(command: str | None, prefix: Path) -> Finding:
    """Say whether the shell's `stilt` is the one of this environment."""
    if command is None:
        return warning(
            "command",
            "The shell finds no command stilt.",
            f"Activate the environment: source {prefix / 'bin' / 'activate'}",
        )
    if not os.path.abspath(command).startswith(f"{prefix}{os.sep}"):
        return warning(
            "command",
            f"The shell's stilt is {command}, this one is of {prefix}.",
            f"Activate the environment: source {prefix / 'bin' / 'activate'}",
        )
    return fine("command", f"The shell's stilt is {command}.")


def _some(texts: list[str]) -> str:
    more = f", and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more
