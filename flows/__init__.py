"""Prefect flows over the library: each is a thin wrapper of a `stilt` function.

``from flows import simulate; simulate("./case")`` runs a project from a script or a notebook.
Importing this package loads no Prefect and changes nothing; a flow is loaded when its name is first
used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flows.settings import load_prefect

if TYPE_CHECKING:
    from flows.footprints import footprints as footprints
    from flows.maintain import maintain as maintain
    from flows.prepare_meteorology import prepare_meteorology as prepare_meteorology
    from flows.simulate import simulate as simulate

FLOWS = ("footprints", "maintain", "prepare_meteorology", "simulate")

__all__ = ["footprints", "maintain", "prepare_meteorology", "simulate"]


class _Package(ModuleType):
    """A package whose flows carry the names of the modules that hold them.

    Importing ``flows.simulate`` binds the module to ``flows.simulate``; here the flow is bound
    instead, so that ``from flows import simulate`` is the flow whatever was imported before.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FLOWS and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Load a flow from its module on first use."""
    if name not in FLOWS:
        raise AttributeError(f"module 'flows' has no attribute {name!r}")
    load_prefect()
    return getattr(import_module(f"flows.{name}"), name)
