"""Files that people have instead of comma-separated text, and what to do about them."""

from __future__ import annotations

from pathlib import Path

from stilt.encoding import decode_utf8
from stilt.errors import UsageError

_SAVE = "save it as CSV in UTF-8 ('CSV UTF-8' in Excel)"
_DATAFRAME = "pass the DataFrame as Model(receptors=...)"
_OTHER_KINDS = (
    (b"PK\x03\x04", "a spreadsheet (xlsx, ods) or zip file", f"{_SAVE}, or read it with "
     f"pandas.read_excel and {_DATAFRAME}"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (xls)", f"{_SAVE}, or read it with pandas.read_excel "
     f"and {_DATAFRAME}"),
    (b"PAR1", "a Parquet file", f"read it with pandas.read_parquet and {_DATAFRAME}"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it first"),
    (b"BZh", "compressed (bzip2)", "unpack it first"),
    (b"\xfd7zXZ", "compressed (xz)", "unpack it first"),
    (b"\x89HDF", "a NetCDF or HDF5 file", f"read it with xarray, and {_DATAFRAME} of it"),
    (b"CDF", "a NetCDF file", f"read it with xarray, and {_DATAFRAME} of it"),
)  # fmt: skip
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", None: "spaces"}


def csv_text(content: bytes, path: Path) -> str:
    """Return the text of a CSV file.

    Raises:
        UsageError: it is another kind of file, or not in UTF-8.
    """
    for beginning, kind, advice in _OTHER_KINDS:
        if content.startswith(beginning):
            raise UsageError(f"{path} is {kind}, not a CSV file: {advice}")
    return decode_utf8(content, path, remedy=_SAVE)


def other_separator(header: str, known: frozenset[str]) -> str | None:
    """Return what separates the columns of a header instead of commas, as a word, if anything.

    Args:
        header: the line that names the columns.
        known: column names, of which a header that is split rightly holds several.
    """
    for separator, word in _SEPARATORS.items():
        names = [name.strip(' "').lower() for name in header.split(separator)]
        if len(known & set(names)) > 1:
            return word
    return None
