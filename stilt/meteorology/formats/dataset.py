"""Weather in files that xarray opens: finding times, levels and nodes, and reading one time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import ClassVar

import numpy as np
import xarray as xr

from stilt.digests import sampled_digest
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.formats.axes import with_levels
from stilt.meteorology.formats.cf_attributes import UnsuitableFileError, is_statistic
from stilt.meteorology.formats.dataset_part import DatasetPart, parts_of
from stilt.meteorology.formats.fields import Product
from stilt.meteorology.formats.hybrid import HYBRID_A, HYBRID_B
from stilt.meteorology.formats.netcdf_classic import require_whole
from stilt.meteorology.formats.netcdf_files import can_be_read, is_netcdf
from stilt.meteorology.formats.stores import (
    chunk_tokens,
    is_store,
    layout_digest,
    open_store,
    store_state,
)
from stilt.meteorology.records import AnalysisRef, FieldNames, FileIndex, RawAnalysis, Window
from stilt.roots import is_url


class ForeignFileError(ValueError):
    """Raised for a file that is not of a format at all, such as a text file beside the weather."""


class DatasetFormat:
    """A product whose files xarray opens; a class for each sets :attr:`product`."""

    product: ClassVar[Product]

    def recognises(self, path: str) -> bool:
        """Return whether a file has levels or surface fields with names of this product.

        A NetCDF file that cannot be read may be one, and is described by :meth:`scan`.
        """
        try:
            parts = _opened(self, path, _identity(path))
        except ForeignFileError:
            return False
        except (OSError, ValueError, MeteorologyError):
            return not is_store(path) and can_be_read(path) and is_netcdf(path)
        return any(part.fields for part in parts)

    def known_variables(self, path: str) -> set[str]:
        """Return the names of a file's variables that are fields of this product.

        Raises:
            OSError: the file cannot be read.
            ValueError: it cannot be used.
        """
        return {name for part in _opened(self, path, _identity(path)) for name in part.fields}

    def open(self, path: str) -> list[xr.Dataset]:
        """Open a file lazily, as datasets with at most one kind of levels each.

        Raises:
            ForeignFileError: it is a file of another kind.
        """
        if is_store(path):
            return [open_store(path)]
        if not is_netcdf(path):
            raise ForeignFileError("it is not a NetCDF file")
        require_whole(path)
        return [xr.open_dataset(path, engine="netcdf4")]

    def product_of(self, data: xr.Dataset) -> Product:
        """Return the fields that a file's variables hold; by default those of :attr:`product`."""
        del data
        return self.product

    def scan(self, path: str, window: Window | None = None) -> FileIndex:
        """List the times of a file; see :class:`stilt.meteorology.formats.WeatherFormat`."""
        refs: list[AnalysisRef] = []
        try:
            for number, part in enumerate(_opened(self, path, _identity(path))):
                if part.fields:
                    refs.extend(self._refs(path, number, part, window))
        except ForeignFileError:
            return FileIndex(())
        except (OSError, ValueError) as problem:
            return FileIndex((), _damage(path, problem))
        return FileIndex(tuple(refs))

    def _refs(
        self, path: str, number: int, part: DatasetPart, window: Window | None
    ) -> Iterator[AnalysisRef]:
        grid = with_levels(part.horizontal.grid, part.vertical)
        _ = part.turned_winds
        # Terrain at one time is that of all times, as GRIB files have it.
        is_terrain = {field.name for field in part.fields.values()} == {"SHGT"}
        constant = is_terrain and len(part.times) == 1
        positions = [0] if constant else part.within(window)
        if is_store(path) and window is None:
            contents = checksums = [""] * len(positions)
        elif is_store(path):
            # One field stands for all, so that a server is asked only once for each time.
            name = min(part.fields, key=lambda name: part.fields[name].name != "UWND")
            tokens = chunk_tokens(path, part.data[name], part.time, positions)
            content = layout_digest(part.data, part.fields)
            contents = checksums = [f"{content}-{token}" for token in tokens]
        else:
            contents = [f"{sampled_digest(path)}-{number}.{each}" for each in positions]
            checksums = [f"{_identity(path)}-{number}.{each}" for each in positions]
        for position, checksum, content in zip(positions, checksums, contents, strict=True):
            yield AnalysisRef(
                path=path,
                time=np.datetime64("NaT", "m") if constant else part.times[position],
                forecast_hour=0 if constant else int(part.hours[position]),
                offset=number << 32 | position,
                nbytes=0,
                grid=grid,
                checksum=checksum,
                content=content,
                format=self.product.name,
            )

    def read(self, ref: AnalysisRef, variables: Collection[str] | None = None) -> RawAnalysis:
        """Read one time; see :class:`stilt.meteorology.formats.WeatherFormat`."""
        number, position = ref.offset >> 32, ref.offset & 0xFFFFFFFF
        try:
            part = _opened(self, ref.path, _identity(ref.path))[number]
            if part.times[position] != ref.time and not np.isnat(ref.time):
                raise ValueError("its times have changed since they were read")
            surface, upper = part.read(position, ref, variables)
        except (OSError, ValueError, IndexError, RuntimeError) as problem:
            raise MeteorologyError(
                _damage(ref.path, problem), reason=Reason.DAMAGED_MET_FILE
            ) from problem
        return RawAnalysis(ref.time, ref.grid, ref.forecast_hour, surface, upper)

    def fields(self, ref: AnalysisRef) -> FieldNames:
        """Return the names of what :meth:`read` would give."""
        try:
            part = _opened(self, ref.path, _identity(ref.path))[ref.offset >> 32]
        except (OSError, ValueError, IndexError) as problem:
            raise MeteorologyError(
                _damage(ref.path, problem), reason=Reason.DAMAGED_MET_FILE
            ) from problem
        names = tuple(field.name for field in part.fields.values())
        if not part.level:
            return FieldNames(names, ())
        return FieldNames((), (*names, HYBRID_A, HYBRID_B) if part.vertical.a_hpa else names)


@lru_cache(maxsize=8)
def _opened(form: DatasetFormat, path: str, identity: str) -> tuple[DatasetPart, ...]:
    """Return the parts of a file, which this process keeps open while the file is unchanged."""
    del identity
    found: list[DatasetPart] = []
    for data in map(_without_statistics, form.open(path)):
        found.extend(parts_of(form.product_of(data), data))
    return tuple(found)


def _without_statistics(data: xr.Dataset) -> xr.Dataset:
    """Return a dataset without fields that are maxima, deviations and the like of what is used."""
    return data.drop_vars([name for name, field in data.data_vars.items() if is_statistic(field)])


def _identity(path: str) -> str:
    if is_store(path):
        return store_state(path)
    stat = os.stat(path)
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _damage(path: str, problem: Exception) -> str:
    if is_url(path):
        unreachable = "; correct its address, or run again when it can be reached"
        remedy = unreachable if isinstance(problem, OSError) else ""
        return f"The weather store {path} cannot be used: {problem}{remedy}."
    remedy = "" if isinstance(problem, UnsuitableFileError) else "; fetch or copy the file again"
    return f"The weather file {path} cannot be used: {problem}{remedy}, or remove it."
