"""NOAA's ARL packed files as a weather format."""

from __future__ import annotations

from collections.abc import Collection

from stilt.meteorology import arl
from stilt.meteorology.arl_format import LABEL_BYTES, MalformedError, parse_label
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, RawAnalysis


class ArlFormat:
    """NOAA's ARL packed files."""

    def recognises(self, path: str) -> bool:
        """Return whether a file begins with the label of an ARL index record."""
        try:
            with open(path, "rb") as handle:
                return parse_label(handle.read(LABEL_BYTES)).variable == "INDX"
        except (OSError, MalformedError):
            return False

    def scan(self, path: str) -> FileIndex:
        """List the analyses of a file up to its end or its first damage."""
        return arl.scan_file(path)

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Decode one analysis; see :func:`stilt.meteorology.arl.read_analysis`."""
        return arl.read_analysis(ref, variables)

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names in an analysis's index, without those of correction records."""
        return arl.field_names(ref)
