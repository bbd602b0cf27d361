"""Prefect flows over the library: each is a thin wrapper of a `stilt` function.

``from flows import simulate; simulate("./case")`` runs a project from a script or a notebook.
Importing this package loads no Prefect and changes nothing; a flow is loaded when its name is first
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flows.settings import load_prefect

if TYPE_CHECKING:
    from flows.definitions import footprints as footprints
    from flows.definitions import maintain as maintain
    from flows.definitions import prepare_meteorology as prepare_meteorology
    from flows.definitions import simulate as simulate

__all__ = ["footprints", "maintain", "prepare_meteorology", "simulate"]


def __getattr__(name: str) -> Any:
    """Load a flow on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    load_prefect()
    return getattr(import_module("flows.definitions"), name)
