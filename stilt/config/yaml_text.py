"""YAML with the numbers of YAML 1.2, which are those that people mean.

The library follows YAML 1.1, in which ``050`` is 40 (octal), ``1:30`` is 90 (base 60) and ``1e3``
is a text. Here they are 50, a text, and 1000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_NUMBERS = {
    _INT: re.compile(r"[-+]?[0-9][0-9_]*$"),
    _FLOAT: re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
_BEGINNINGS = list("-+0123456789.")


class _Loader(yaml.SafeLoader):
    """Reads plain values."""


class _Dumper(yaml.SafeDumper):
    """Writes what the loader reads as the same: block mappings, lists of plain values on a line."""


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node).replace("_", ""))


def _real(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [(tag, found) for tag, found in resolvers if tag not in _NUMBERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for _tag, _pattern in _NUMBERS.items():
        _kind.add_implicit_resolver(_tag, _pattern, _BEGINNINGS)
_Loader.add_constructor(_INT, _decimal)
_Loader.add_constructor(_FLOAT, _real)


def compose(text: str) -> yaml.Node | None:
    """Return the nodes of a text, which know their lines.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    return yaml.compose(text, Loader=_Loader)


def load(text: str) -> Any:
    """Return the values in a text.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: a value cannot be read, such as a date in a thirteenth month.
    """
    return yaml.load(text, Loader=_Loader)  # a safe one


def dump(values: Mapping[str, Any]) -> str:
    """Return a mapping as text, in its order."""
    text: str = yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=88,
        allow_unicode=True,
    )  # fmt: skip
    return text


def _represent_list(dumper: _Dumper, items: list[Any]) -> yaml.Node:
    plain = not any(isinstance(item, (dict, list)) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=plain)


_Dumper.add_representer(list, _represent_list)
