"""Prepares the API reference: roles become code, units real, results whole, defaults values."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from griffe import Extension, Function, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?\.?([^`]+)`")


_RESULT = re.compile(r"(?<=^Returns:\n)(?: {4}.*\n?|\n)+", re.M)


def with_whole_result(text: str) -> str:
    """Return a docstring in which no part of a result before a colon is taken for a type."""
    return _RESULT.sub(lambda found: re.sub(r":\s+(?=[\w`(])", "&#58; ", found[0]), text)


def without_roles(text: str) -> str:
    """Return a docstring with ``:class:`Name``` and the like as code."""
    return _ROLE.sub(r"`\1`", text)


_CODE = re.compile(r"(``?[^`]*``?)")
_EXPONENT = re.compile(r"\b(m|s|h|K|kg|u?mol)(-[123]|2)(?![\w-])")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _units(text: str) -> str:
    text = _EXPONENT.sub(lambda found: found[1] + found[2].translate(_SUPERSCRIPTS), text)
    return re.sub(r"\bumol\b", "µmol", text)


def with_real_units(text: str) -> str:
    """Return prose in which ``umol m-2 s-1`` has its micro sign and raised exponents."""
    return "".join(part if part[:1] == "`" else _units(part) for part in _CODE.split(text))


_CONSTANT = re.compile(r"^[\w.(]*\b[A-Z][A-Z_]+\)?$")


class Roles(Extension):
    """Rewrites docstrings and defaults as they are collected."""

    def on_function(self, *, func: Function, **kwargs: Any) -> None:
        """Replace a default that is named by a constant with its value."""
        named = [each for each in func.parameters if _CONSTANT.search(str(each.default or ""))]
        if not named:
            return
        found: Any = import_module(func.module.path)
        for name in func.path.removeprefix(f"{func.module.path}.").split("."):
            found = getattr(found, name)
        values = inspect.signature(found).parameters
        for parameter in named:
            parameter.default = repr(values[parameter.name].default)

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object."""
        if obj.docstring is not None:
            text = with_real_units(without_roles(obj.docstring.value))
            obj.docstring.value = with_whole_result(text)
