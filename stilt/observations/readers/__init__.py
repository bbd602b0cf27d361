"""Readers of instrument files: each returns :class:`stilt.observations.Soundings`."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from stilt.errors import UsageError
from stilt.observations.readers.csv_table import read_csv as read_csv
from stilt.observations.readers.ggg import read_ggg as read_ggg
from stilt.observations.readers.oco2 import read_oco2 as read_oco2
from stilt.observations.readers.tccon import read_tccon as read_tccon
from stilt.observations.readers.tropomi import read_tropomi as read_tropomi
from stilt.observations.readers.wfmd import read_wfmd as read_wfmd
from stilt.observations.soundings import Soundings

READERS: dict[str, Callable[..., Soundings]] = {
    "tropomi": read_tropomi,
    "wfmd": read_wfmd,
    "oco2": read_oco2,
    "tccon": read_tccon,
    "ggg": read_ggg,
    "csv": read_csv,
}
OF_SEVERAL_SPECIES = ("tccon", "ggg", "csv")
DEFAULT_SPECIES = {"tccon": "co2", "ggg": "co2"}


def read_files(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    reader: str,
    *,
    species: str | None = None,
    units: str | None = None,
    time_format: str | None = None,
    folder: Path | None = None,
) -> Soundings:
    """Read files of one kind, and join what they hold.

    Args:
        files: a path or several; ``*`` and ``?`` are wildcards.
        reader: ``tropomi``, ``wfmd``, ``oco2``, ``tccon``, ``ggg`` or ``csv``.
        species: the gas to read, for products with several.
        units: of the values, for ``csv``.
        time_format: form of the times, for ``csv``; see :func:`stilt.read_receptors`.
        folder: where relative paths begin; None: the current folder.

    Raises:
        FileNotFoundError: there is no such file.
        UsageError: an unknown reader, or a file of another product.
    """
    if reader not in READERS:
        raise UsageError(f"Unknown reader {reader!r}: the choices are {', '.join(READERS)}.")
    if species is not None and reader not in OF_SEVERAL_SPECIES:
        raise UsageError(f"The reader {reader} knows one gas only: leave the species out.")
    if units is not None and reader != "csv":
        raise UsageError(f"The reader {reader} knows its units: leave them out.")
    if time_format is not None and reader != "csv":
        raise UsageError(f"The reader {reader} knows the form of its times: leave it out.")
    given = {"species": species, "units": units, "time_format": time_format}
    options = {name: value for name, value in given.items() if value is not None}
    listed = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    paths: list[Path] = []
    for each in listed:
        place = (folder or Path()) / Path(os.path.expandvars(os.fspath(each))).expanduser()
        found = [place] if place.exists() else [Path(p) for p in sorted(glob.glob(str(place)))]
        if not found:
            raise FileNotFoundError(f"There is no file {place}.")
        paths += found
    return Soundings.concat([READERS[reader](path, **options) for path in paths])
