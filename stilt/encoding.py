"""Bytes of a text file to text, and what to do about a file that is not in UTF-8."""

from __future__ import annotations

import codecs

from stilt.errors import UsageError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_utf8(content: bytes, source: object, *, remedy: str = "save it in UTF-8") -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Args:
        content: bytes of the file.
        source: the file, for the message.
        remedy: what to do when it has another encoding.

    Raises:
        UsageError: it has another encoding; the message names it, and the line where it can.
    """
    beginning = content[:1000]
    if content.startswith(_UTF_16) or beginning.count(0) > len(beginning) // 4:
        raise UsageError(
            f"{source} is not in UTF-8 but, it seems, in UTF-16: {remedy} "
            "(iconv -f UTF-16 -t UTF-8)"
        )
    if (zero := content.find(0)) >= 0:
        raise UsageError(
            f"{source}, line {_line_of(content, zero)}: a zero byte, which no text holds: the file "
            "is damaged or of another kind"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{source}, line {_line_of(content, error.start)}: the byte "
            f"0x{content[error.start]:02X} is not UTF-8; the file seems to be in Latin-1 or "
            f"Windows-1252: {remedy} (iconv -f WINDOWS-1252 -t UTF-8)"
        ) from error


def _line_of(content: bytes, position: int) -> int:
    """Return the number of the line that a byte is in."""
    return content.count(b"\n", 0, position) + 1
