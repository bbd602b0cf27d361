"""Keeps an option or a name with a hyphen in one line: browsers break words at hyphens.

A hook of MkDocs.
"""

import re
from typing import Any

INLINE = re.compile(r"(?<!<pre>)(?<!<span></span>)<code>([^<]*-[^<]*)</code>")
HYPHENATED = re.compile(r"[^\s<>]*-[^\s<>]*")
LONGEST = 30


def on_page_content(html: str, **_: Any) -> str:
    """Wrap words with hyphens in inline code; long ones may be broken, as phones are narrow."""
    return INLINE.sub(lambda code: HYPHENATED.sub(_whole, code[0]), html)


def _whole(word: re.Match[str]) -> str:
    return word[0] if len(word[0]) > LONGEST else f'<span class="whole">{word[0]}</span>'
