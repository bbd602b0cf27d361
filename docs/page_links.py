"""Links pictures to themselves at full size, names and errors to where the API describes them.

A hook of MkDocs.
"""

import builtins
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from stilt import errors

sys.path.insert(0, str(Path(__file__).parent))

from api_pages import home

PICTURE = re.compile(r'(?<!<a href=")<img [^>]*?src="(?P<source>[^"#]+)(?P<scheme>#[^"]*)?"[^>]*>')
RAISED = re.compile(
    r'(?<=<li class="doc-section-item field-body">)\s*'
    r"<code>(?:<autoref[^>]*>)?(\w+)(?:</autoref>)?</code>(?=\s*–)"
)
NAMED = re.compile(r"<code>(stilt(?:\.\w+)+)</code>(?![^<]*</a>)")
PYTHON = "https://docs.python.org/3/library/exceptions.html"


def on_page_content(html: str, **_: Any) -> str:
    """Put links around pictures and into whole names; errors are linked by their names alone."""
    html = NAMED.sub(_named, RAISED.sub(_raised, PICTURE.sub(_picture, html)))
    # The template of parameters leaves a space before the bracket that ends their types.
    return re.sub(r"(?<=</code>)\s+\)", ")", html)


def _picture(found: re.Match[str]) -> str:
    return f'<a class="picture" href="{found["source"]}" title="Full size">{found[0]}</a>'


def _named(found: re.Match[str]) -> str:
    # Left as code where the API describes no such name.
    name = found[1]
    return f'<code><autoref identifier="{_defined(name)}" optional>{name}</autoref></code>'


def _defined(name: str) -> str:
    """Return the name by which a public object, or a member of one, is defined."""
    owner, _, member = name.rpartition(".")
    with suppress(ImportError, AttributeError, ValueError):
        return home(name)
    with suppress(ImportError, AttributeError, ValueError):
        return f"{home(owner)}.{member}"
    return name


def _raised(found: re.Match[str]) -> str:
    name = found[1]
    if hasattr(errors, name):
        target = f"stilt.errors.{name}"
        return f'<code><autoref identifier="{target}" optional>{name}</autoref></code>'
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return f'<code><a href="{PYTHON}#{name}">{name}</a></code>'
    return found[0]
