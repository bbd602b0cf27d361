"""Makes code of the Sphinx roles in docstrings, for the API reference."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?\.?([^`]+)`")


def without_roles(text: str) -> str:
    """Return a docstring with ``:class:`Name``` and the like as code."""
    return _ROLE.sub(r"`\1`", text)


class Roles(Extension):
    """Rewrites docstrings as they are collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = without_roles(obj.docstring.value)
