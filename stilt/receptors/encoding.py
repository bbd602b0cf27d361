"""Bytes of receptors.csv to text, and what to do about files that are not comma-separated UTF-8."""

from __future__ import annotations

import codecs
from pathlib import Path

from stilt.errors import UsageError

_SAVE = "save it as CSV in UTF-8"
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
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", None: "spaces"}


def decoded(content: bytes, path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Raises:
        UsageError: it is another kind of file or has another encoding.
    """
    for beginning, kind, advice in _OTHER_KINDS:
        if content.startswith(beginning):
            raise UsageError(f"{path} is {kind}, not a CSV file: {advice}")
    beginning = content[:1000]
    if content.startswith(_UTF_16) or beginning.count(0) > len(beginning) // 4:
        raise UsageError(
            f"{path} is not in UTF-8 but, it seems, in UTF-16 (Excel's 'Unicode Text'): {_SAVE} "
            "('CSV UTF-8' in Excel, or iconv -f UTF-16 -t UTF-8)"
        )
    if (nul := content.find(0)) >= 0:
        raise UsageError(
            f"{path}, line {_line_of(content, nul)}: a zero byte, which no text holds: the file is "
            "damaged or of another kind"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}, line {_line_of(content, error.start)}: the byte "
            f"0x{content[error.start]:02X} is not UTF-8; the file "
            f"seems to be in Latin-1 or Windows-1252: {_SAVE} ('CSV UTF-8' in Excel, or "
            "iconv -f WINDOWS-1252 -t UTF-8)"
        ) from error


def _line_of(content: bytes, position: int) -> int:
    """Return the number of the line that a byte is in."""
    return content.count(b"\n", 0, position) + 1


def other_separator(header: str, known: set[str]) -> str | None:
    """Return what separates the columns of a header instead of commas, as a word, if anything.

    Args:
        header: the line that names the columns.
        known: column names, of which a header that is split rightly holds several.
    """
    for separator, word in _SEPARATORS.items():
        names = [name.strip(' "').lower() for name in header.split(separator)]
        if len(known.intersection(names)) > 1:
            return word
    return None
