"""Guess from the name and the first bytes of a file what is wrong with it, or its file_format."""

from __future__ import annotations

import re
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

# Year, month and day, and the hour if one follows.
_TIME = re.compile(
    r"((?:19|20)\d\d)([-_.]?)(\d\d)([-_.]?)(\d\d)(?:([-_.T]?)([01]\d|2[0-3])(?!\d(?!\d)))?"
)
_REGULAR_EXPRESSION = re.compile(r"\\[dDwWsS.]|\.[*+]|\][+*{]|\{\d|[(|^$]")
_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\x1f\x8b", "compressed (gzip): unpack it"),
    (b"BZh", "compressed (bzip2): unpack it"),
    (b"\xfd7zXZ", "compressed (xz): unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd): unpack it"),
    (b"<", "a web page or XML, perhaps a server's message: fetch the file again"),
)


def other_kind(path: str | Path) -> str:
    """Return what a file is that can be no weather file, and what to do; "" for all others."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(8)
    except OSError:
        return ""
    if not beginning:
        return "empty: fetch it again"
    return next((kind for magic, kind in _OTHER_KINDS if beginning.startswith(magic)), "")


def format_of_name(name: str) -> tuple[str, datetime] | None:
    """Return the file_format of a file's name, and the time in it; None without a date in it.

    Args:
        name: ``20230715_18-23_hrrr`` has ``%Y%m%d_%H``.
    """
    for found in _TIME.finditer(name):
        year, first, month, second, day, third, hour = found.groups(default="")
        try:
            time = datetime(int(year), int(month), int(day), int(hour or 0))
        except ValueError:
            continue
        before = name[: found.start()].replace("%", "%%")
        return f"{before}%Y{first}%m{second}%d{third}{'%H' if hour else ''}", time
    return None


def advice_on_format(file_format: str, name: str) -> str:
    """Return what to write for a file_format under which no file was found; "" when it looks right.

    Args:
        file_format: as it is configured.
        name: of a file that is there.
    """
    if fits(file_format, name):
        return ""
    found = format_of_name(name)
    form = "file_format says how names begin, with the time in strftime form"
    if _REGULAR_EXPRESSION.search(file_format):
        form += " and * and ? as in a shell; it is no regular expression"
    elif found is None:
        return ""
    return form if found is None else f"{form}: {found[0]} fits {name}"


def fits(file_format: str, name: str) -> bool:
    """Return whether a name with a date in it is one that a file_format finds at its time."""
    found = format_of_name(name)
    if found is None:
        return False
    # It may hold folders, of which only the name is known here, and wildcards.
    beginning = found[1].strftime(file_format).casefold().rpartition("/")[2]
    return fnmatchcase(name.casefold(), beginning + "*")
