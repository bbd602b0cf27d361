"""Links pictures to themselves at full size, and errors in the API to what describes them.

A hook of MkDocs.
"""

import builtins
import re
from typing import Any

from stilt import errors

PICTURE = re.compile(r'(?<!<a href=")<img [^>]*?src="(?P<source>[^"#]+)(?P<scheme>#[^"]*)?"[^>]*>')
RAISED = re.compile(
    r'(?<=<li class="doc-section-item field-body">)\s*'
    r"<code>(?:<autoref[^>]*>)?(\w+)(?:</autoref>)?</code>(?=\s*–)"
)
PYTHON = "https://docs.python.org/3/library/exceptions.html"


def on_page_content(html: str, **_: Any) -> str:
    """Put links around pictures, and into lists of errors whose modules import no such name."""
    html = RAISED.sub(_raised, PICTURE.sub(_picture, html))
    # The template of parameters leaves a space before the bracket that ends their types.
    return re.sub(r"(?<=</code>)\s+\)", ")", html)


def _picture(found: re.Match[str]) -> str:
    return f'<a class="picture" href="{found["source"]}" title="Full size">{found[0]}</a>'


def _raised(found: re.Match[str]) -> str:
    name = found[1]
    if hasattr(errors, name):
        target = f"stilt.errors.{name}"
        return f'<code><autoref identifier="{target}" optional>{name}</autoref></code>'
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return f'<code><a href="{PYTHON}#{name}">{name}</a></code>'
    return found[0]
