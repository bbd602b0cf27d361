"""Meteorology: read ARL files, find the analyses a simulation needs, and say what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.lazy import loader

if TYPE_CHECKING:
    from stilt.meteorology.archive import list_archive as list_archive
    from stilt.meteorology.archive import list_met as list_met
    from stilt.meteorology.arl import read_analysis as read_analysis
    from stilt.meteorology.arl import read_index as read_index
    from stilt.meteorology.arl_conversion import to_arl as to_arl
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
    "list_archive": "archive",
    "list_met": "archive",
    "read_analysis": "arl",
    "read_index": "arl",
    "to_arl": "arl_conversion",
    "write_arl": "writer",
}

__all__ = sorted(_HOME)

__getattr__ = loader(__name__, _HOME)
