"""Weather in GRIB files: a class for each product describes its messages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.formats.fields import Field
from stilt.meteorology.formats.grib_grids import GribGrid, grid_of
from stilt.meteorology.formats.grib_messages import (
    DamagedGribError,
    GribError,
    decoded,
    eccodes,
    field_bytes,
    is_grib,
    places,
)
from stilt.meteorology.formats.grib_scan import Reader, scan
from stilt.meteorology.formats.hybrid import HYBRID_A, HYBRID_B, full_levels
from stilt.meteorology.formats.step_ranges import earlier_message, hours, to_amount
from stilt.meteorology.formats.winds import turn_winds, with_partners
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, Message, RawAnalysis

_MISSING = 1e36
_MODEL_LEVELS = 4
_GRIDS_KEPT = 16

_Fields = dict[str, NDArray[np.float32]]


class GribFormat:
    """A product whose files are GRIB; see :class:`stilt.meteorology.formats.WeatherFormat`."""

    reader: ClassVar[Reader]

    def __init__(self) -> None:
        self._grids: OrderedDict[str, GribGrid] = OrderedDict()

    def recognises(self, path: str) -> bool:
        """Return whether a file's first message is of this product.

        A message that cannot be decoded may be, and is described by :meth:`scan`.
        """
        if not is_grib(path):
            return False
        try:
            with decoded(next(places(path)).header) as handle:
                return self.is_of(handle)
        except GribError:
            return True
        except (OSError, StopIteration):
            return False

    def is_of(self, handle: Any) -> bool:
        """Return whether a message is of this product, by the centre that made it."""
        return str(eccodes().codes_get(handle, "centre")) in self.reader.centres

    def scan(self, path: str) -> FileIndex:
        """List what a file holds, from the headers of its messages."""
        if not is_grib(path):
            return FileIndex(())
        try:
            return FileIndex(tuple(scan(path, self.reader)))
        except (OSError, ValueError) as problem:
            return FileIndex((), _unusable(path, problem))

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Decode the messages of one analysis, cropped as the reference says."""
        try:
            surface, upper = self._read(ref, with_partners(variables))
        except (OSError, ValueError) as problem:
            raise MeteorologyError(
                _unusable(ref.path, problem), reason=Reason.DAMAGED_MET_FILE
            ) from problem
        return RawAnalysis(ref.time, ref.grid, ref.forecast_hour, surface, upper)

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names of what :meth:`read` would give, from the messages that were listed."""
        surface: dict[str, None] = {}
        upper: dict[str, None] = {}
        for message, field in self._wanted(ref, None):
            (surface if message.level < 0 else upper)[field.name] = None
        if ref.grid.vertical_flag == _MODEL_LEVELS:
            upper |= dict.fromkeys((HYBRID_A, HYBRID_B))
        return FieldNames(tuple(surface), tuple(upper))

    def _read(self, ref: AnalysisRef, variables: Collection[str] | None) -> tuple[_Fields, _Fields]:
        shape = (ref.grid.n_levels, ref.grid.ny, ref.grid.nx)
        surface: _Fields = {}
        upper: _Fields = {}
        with open(ref.path, "rb") as file:
            for message, field in self._wanted(ref, variables):
                values = self._values(file, message, ref)
                if message.step_type != "instant":
                    values = self._hourly(values, message, ref)
                values = np.exp(values) if field.is_logarithm else values
                values = values * field.factor
                if message.level < 0:
                    surface[field.name] = values.astype(np.float32)
                    continue
                if field.name not in upper:
                    upper[field.name] = np.full(shape, np.nan, np.float32)
                upper[field.name][message.level] = values
            if ref.grid.vertical_flag == _MODEL_LEVELS:
                upper |= self._coefficients(file, ref)
            if self._turns(file, ref):
                turn_winds(ref.grid, surface, upper)
        return surface, upper

    def _wanted(
        self, ref: AnalysisRef, variables: Collection[str] | None
    ) -> Iterator[tuple[Message, Field]]:
        product = self.reader.product
        for message in sorted(ref.messages, key=lambda each: (each.offset, each.number)):
            field = (product.surface if message.level < 0 else product.upper)[message.name]
            is_kept = message.level < ref.grid.n_levels
            if is_kept and (variables is None or field.name in variables):
                yield message, field

    def _values(self, file: BinaryIO, message: Message, ref: AnalysisRef) -> NDArray[np.float64]:
        """Return values at the nodes that are kept, rows from the south; NaN where missing."""
        module = eccodes()
        with decoded(field_bytes(file, message.offset, message.nbytes, message.number)) as handle:
            grid = self._grid(handle)
            has_gaps = bool(module.codes_get(handle, "bitmapPresent"))
            if has_gaps:
                module.codes_set(handle, "missingValue", _MISSING)
            field = grid.shaped(module.codes_get_values(handle))
        nodes = grid.nodes.cropped(ref.crop)
        field = field[nodes.rows[:, None], nodes.columns[None, :]]
        return np.where(field == _MISSING, np.nan, field) if has_gaps else field

    def _hourly(
        self, values: NDArray[np.float64], message: Message, ref: AnalysisRef
    ) -> NDArray[np.float64]:
        """Return the hourly amount, or the mean, over the part that no earlier hour covers."""
        amount, length = values * to_amount(message), hours(message)
        earlier = ref.earlier and earlier_message(message, ref.earlier.messages)
        if ref.earlier and earlier:
            with open(ref.earlier.path, "rb") as file:
                before = self._values(file, earlier, ref.earlier)
            amount = amount - before * to_amount(earlier)
            length -= hours(earlier)
        return amount / length

    def _grid(self, handle: Any) -> GribGrid:
        key = str(eccodes().codes_get(handle, "md5GridSection"))
        if key not in self._grids:
            # Its nodes were checked when the file was listed.
            self._grids[key] = grid_of(handle, self.reader.product.source, checked=False)
            while len(self._grids) > _GRIDS_KEPT:
                self._grids.popitem(last=False)
        return self._grids[key]

    def _turns(self, file: BinaryIO, ref: AnalysisRef) -> bool:
        """Return whether winds are towards east and north on a grid with other axes."""
        if ref.grid.kind == "latlon":
            return False
        first = ref.messages[0]
        with decoded(field_bytes(file, first.offset, first.nbytes, first.number)) as handle:
            return not self._grid(handle).winds_along_grid

    def _coefficients(self, file: BinaryIO, ref: AnalysisRef) -> _Fields:
        """Return the hybrid coefficients, from the header of a message on each level."""
        module = eccodes()
        of_level = {one.level: one for one in ref.messages if one.level < ref.grid.n_levels}
        numbers = np.empty(ref.grid.n_levels, np.int64)
        attributes: dict[str, Any] = {}
        for index, message in of_level.items():
            one = (message.offset, message.nbytes, message.number)
            with decoded(field_bytes(file, *one)) as handle:
                numbers[index] = module.codes_get(handle, "level")
                if not attributes and module.codes_get(handle, "PVPresent"):
                    attributes = {"GRIB_pv": module.codes_get_array(handle, "pv")}
        a_hpa, b = full_levels(numbers, attributes)
        return {
            name: np.asarray(each, np.float32)[:, None, None]
            for name, each in ((HYBRID_A, a_hpa), (HYBRID_B, b))
        }


def _unusable(path: str, problem: Exception) -> str:
    remedy = ""
    if isinstance(problem, OSError | DamagedGribError):
        remedy = "; fetch or copy the file again, or remove it"
    return f"The weather file {path} cannot be used: {problem}{remedy}."
