"""Links pictures to themselves at full size, names and errors to where the API describes them.

Cells of tables with three columns or more get the names of their columns, which narrow screens show
beside them. A hook of MkDocs.
"""

import builtins
import re
import sys
from contextlib import suppress
from html import escape, unescape
from itertools import cycle
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
TABLE = re.compile(r"<table>(?P<inside>.*?)</table>", re.DOTALL)
HEADING = re.compile(r"<th(?:\s[^>]*)?>(.*?)</th>", re.DOTALL)
CELL = re.compile(r"<td(?P<attributes>[^>]*)>(?P<inside>.*?)</td>", re.DOTALL)
# A table of two columns fits a phone.
COLUMNS_STACKED = 3
PYTHON = "https://docs.python.org/3/library/exceptions.html"


def on_page_content(html: str, **_: Any) -> str:
    """Put links around pictures and into whole names, and names of columns into cells of tables.

    Errors are linked by their names alone.
    """
    html = TABLE.sub(_labelled, html)
    html = NAMED.sub(_named, RAISED.sub(_raised, PICTURE.sub(_picture, html)))
    # The template of parameters leaves a space before the bracket that ends their types.
    return re.sub(r"(?<=</code>)\s+\)", ")", html)


def _labelled(found: re.Match[str]) -> str:
    names = [unescape(re.sub(r"<[^>]+>", "", each)) for each in HEADING.findall(found["inside"])]
    if len(names) < COLUMNS_STACKED:
        return found[0]
    of_cells = cycle(names)

    def cell(found: re.Match[str]) -> str:
        name = escape(next(of_cells), quote=True)
        inside = found["inside"].strip()
        # As one element, text and code in it stay side by side in a grid.
        inside = f"<div>{inside}</div>" if inside else ""
        return f'<td{found["attributes"]} data-label="{name}">{inside}</td>'

    return f'<table data-columns="{len(names)}">{CELL.sub(cell, found["inside"])}</table>'


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
