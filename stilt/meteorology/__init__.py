"""Weather: reads ARL files, finds the analyses a simulation needs, and says what is missing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stilt.meteorology.arl import read_analysis as read_analysis
    from stilt.meteorology.arl import read_index as read_index
    from stilt.meteorology.catalogue import MetCatalogue as MetCatalogue
    from stilt.meteorology.coverage import check_coverage as check_coverage
    from stilt.meteorology.grids import MetGrid as MetGrid
    from stilt.meteorology.records import AnalysisRef as AnalysisRef
    from stilt.meteorology.records import RawAnalysis as RawAnalysis
    from stilt.meteorology.writer import write_arl as write_arl

_HOME = {
    "AnalysisRef": "records",
    "MetCatalogue": "catalogue",
    "MetGrid": "grids",
    "RawAnalysis": "records",
    "check_coverage": "coverage",
    "read_analysis": "arl",
    "read_index": "arl",
    "write_arl": "writer",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'stilt.meteorology' has no attribute {name!r}")
    value = getattr(import_module(f"stilt.meteorology.{_HOME[name]}"), name)
    globals()[name] = value
    return value
