"""Keeps together what a reader takes in as one word, and lets long names break between their parts.

A hook of MkDocs. Browsers would break lines within options, short code and numbers with their
units, and in the middle of the words of a name that is longer than the screen of a phone.
"""

import re
from typing import Any

CODE = re.compile(r"(<pre.*?</pre>|<code>[^<]*</code>|<[^>]*>)", re.S)
SHORT = 26
LONG_NAME = re.compile(r"[\w./]{27,}")
HYPHENATED = re.compile(r"[^\s<>]*-[^\s<>]*")
UNITS = "%|°|(?:[kmc]?m|hPa|Pa|K|[kMGT]B|m?s|min|h|ppm|ppb|µmol|degrees?|W|kg)\\b"
SPACE_IN_UNIT = re.compile(
    rf"(?<=\d) (?={UNITS})|(?<=[\d%]) (?=±)|(?<=±) (?=\d)|(?<=[\w⁰¹²³]) (?=(?:m|s|K|kg|mol)⁻)"
)


def on_page_content(html: str, **_: Any) -> str:
    """Mark short inline code and its words with hyphens; put firm spaces into units."""
    parts = CODE.split(html)
    return "".join(map(_code, parts))


def _code(part: str) -> str:
    if not part.startswith("<"):
        return _breakable(SPACE_IN_UNIT.sub("\N{NO-BREAK SPACE}", part))
    # Code that holds links, as the API's types do, begins with a tag by itself.
    if not (part.startswith("<code>") and part.endswith("</code>")):
        return part
    words = part.removeprefix("<code>").removesuffix("</code>")
    if len(words) <= SHORT:
        return f'<code class="whole">{words}</code>'
    return f"<code>{_breakable(HYPHENATED.sub(_whole, words))}</code>"


def _whole(word: re.Match[str]) -> str:
    return word[0] if len(word[0]) > SHORT else f'<span class="whole">{word[0]}</span>'


def _breakable(text: str) -> str:
    """Allow breaks after the dots, slashes and underscores of long names."""
    return LONG_NAME.sub(lambda name: re.sub(r"(?<=\w)([._/])(?=\w)", r"\1<wbr>", name[0]), text)
