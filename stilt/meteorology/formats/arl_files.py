"""NOAA's ARL packed files as a weather format."""

from __future__ import annotations

from collections.abc import Collection

from stilt.meteorology import arl
from stilt.meteorology.arl_format import MalformedError, read_period_index
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, RawAnalysis


class ArlFormat:
    """NOAA's ARL packed files."""

    def recognises(self, path: str) -> bool:
        """Return whether a file begins with an ARL index record."""
        try:
            with open(path, "rb") as handle:
                read_period_index(handle, 0)
        except (OSError, MalformedError):
            return False
        return True

    def scan(self, path: str) -> FileIndex:
        """List the analyses of a file up to its end or its first damage."""
        return arl.scan_file(path)

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Decode one analysis; see :func:`stilt.meteorology.arl.read_analysis`."""
        return arl.read_analysis(ref, variables)

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names in an analysis's index, without those of correction records."""
        return arl.field_names(ref)
