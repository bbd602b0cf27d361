"""Prepares docstrings for the API reference: Sphinx roles become code, results stay whole."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?\.?([^`]+)`")


_RESULT = re.compile(r"(?<=^Returns:\n)(?: {4}.*\n?|\n)+", re.M)


def with_whole_result(text: str) -> str:
    """Return a docstring in which no part of a result before a colon is taken for a type."""
    return _RESULT.sub(lambda found: re.sub(r":\s+(?=[\w`(])", "&#58; ", found[0]), text)


def without_roles(text: str) -> str:
    """Return a docstring with ``:class:`Name``` and the like as code."""
    return _ROLE.sub(r"`\1`", text)


class Roles(Extension):
    """Rewrites docstrings as they are collected."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = with_whole_result(without_roles(obj.docstring.value))
