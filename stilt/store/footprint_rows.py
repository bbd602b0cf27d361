"""Footprints as rows of a shard: an hour, a cell and its influence each, zeros left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from stilt.config import FootprintConfig, Grid
from stilt.footprint.calculate import GriddedFootprint
from stilt.footprint.footprint import Footprint
from stilt.footprint.layers import CellBlock, LayerCells
from stilt.footprint.netcdf import GRID_NUMBERS, LONG_NAME, UNITS, coordinate_attributes
from stilt.footprint.steps import Floats
from stilt.receptors import Receptor, receptor_of
from stilt.store.shards import ShardReader, damaged

if TYPE_CHECKING:
    from stilt.footprint.gridded import GriddedInfluence

FOOT = "foot"
CELL = "cell"
TIME = "time"
_HOUR = np.timedelta64(3600, "s")
# In which cells and influence are reckoned with.
_KINDS = {CELL: np.dtype(np.int64), FOOT: np.dtype(np.float64)}


def settings_of(footprint: GriddedInfluence) -> dict[str, Any]:
    """Return what footprints of one name have in common, as plain values."""
    config, grid, arrays = footprint.config, footprint.grid, footprint.arrays
    dims = list(coordinate_attributes(grid.projection))[1:]
    return {
        "columns": {
            TIME: "start of an hour, UTC",
            dims[0]: "centre of a cell, northward",
            dims[1]: "centre of a cell, eastward",
            CELL: "number of the cell in its grid, row * columns + column, from the first of axes",
            FOOT: f"{LONG_NAME}, {UNITS}; float32",
        },
        "axes": {dims[0]: arrays.y.tolist(), dims[1]: arrays.x.tolist()},
        "projection": grid.projection,
        **{key: float(getattr(grid, key)) for key in GRID_NUMBERS},
        "smooth_factor": float(config.smooth_factor),
        "time_integrate": bool(config.time_integrate),
        "transforms": list(config.transforms),
    }


def hours_of(footprint: GriddedInfluence) -> tuple[int, ...]:
    """Return the layers of a footprint as hours from the receptor's time."""
    start = footprint.receptor.time.to_datetime64().astype("datetime64[s]")
    stamps = footprint.arrays.stamps.astype("datetime64[s]")
    return tuple(((stamps - start) // _HOUR).tolist())


def rows_of(footprint: GriddedInfluence) -> tuple[pa.Table, tuple[int, ...]]:
    """Return the rows of a footprint, by time, then row and column of the grid.

    Influence is rounded to float32; a cell that this makes zero is left out.

    Returns:
        The rows, and how many of them each layer has.
    """
    values, stamps, y, x = footprint.arrays
    lines = values.reshape(-1, x.size)
    # Bits are joined faster than numbers are compared.
    used = np.flatnonzero(np.bitwise_or.reduce(lines.view(f"i{lines.itemsize}"), axis=1))
    foot = lines[used].astype(np.float32)
    there = foot != 0
    place = np.flatnonzero(there)
    counts = np.diff(np.searchsorted(place, np.arange(used.size + 1) * x.size))
    layer, row = np.divmod(used, max(y.size, 1))
    column = place - np.repeat(np.arange(used.size) * x.size, counts)
    of_layers = np.bincount(layer, counts, stamps.size).astype(np.int64)
    columns = (
        np.repeat(stamps.astype("datetime64[ms]"), of_layers),
        np.repeat(y[row], counts),
        x[column],
        (np.repeat(row * x.size, counts) + column).astype(np.int32),
        foot[there],
    )
    names = (TIME, *list(coordinate_attributes(footprint.grid.projection))[1:], CELL, FOOT)
    table = pa.table(dict(zip(names, columns, strict=True)))
    return table, tuple(of_layers.tolist())


@dataclass(frozen=True)
class FootprintSettings:
    """What the footprints of a shard have in common.

    Attributes:
        config: grid, smoothing and the like.
        name: of the footprints.
        dims: names of the axes, y first.
        y, x: cell centres in grid units.
    """

    config: FootprintConfig
    name: str
    dims: tuple[str, str]
    y: Floats
    x: Floats

    @classmethod
    def of(cls, reader: ShardReader) -> Self:
        """Take the settings from a shard's header.

        Raises:
            DamagedShardError: they are not there.
        """
        told: Mapping[str, Any] = reader.header.settings
        try:
            grid = Grid(**{key: told[key] for key in GRID_NUMBERS}, projection=told["projection"])
            config = FootprintConfig(
                grid=grid,
                smooth_factor=told["smooth_factor"],
                time_integrate=told["time_integrate"],
                transforms=told["transforms"],
            )
            y, x = told["axes"]
            axes = (np.asarray(told["axes"][dim], np.float64) for dim in (y, x))
            return cls(config, reader.header.name, (y, x), *axes)
        except (KeyError, ValueError, TypeError) as error:
            raise damaged(reader.path, error) from error


class FootprintShard:
    """Footprints of a shard."""

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader
        self.settings = FootprintSettings.of(reader)

    def layer_cells(self, sim_id: str) -> LayerCells:
        """Read what is not zero in a footprint.

        Raises:
            KeyError: it is not in this shard.
            DamagedShardError: its rows cannot be read.
        """
        settings, (block,) = self.settings, self.blocks([sim_id])
        return LayerCells(
            self.receptor(sim_id),
            block.grid,
            block.integrated,
            settings.x,
            settings.y,
            block.stamps,
            block.counts,
            block.cell,
            block.values,
        )

    def blocks(self, sim_ids: Sequence[str]) -> Iterator[CellBlock]:
        """Read what is not zero in footprints, in their order; those side by side together.

        Raises:
            KeyError: one is not in this shard.
            DamagedShardError: rows cannot be read.
        """
        for together in self.reader.together(sim_ids):
            yield self._block(together, *self.reader.arrays_together(together, _KINDS))

    def _block(self, sim_ids: Sequence[str], cell: np.ndarray, foot: np.ndarray) -> CellBlock:
        settings, stored = self.settings, [self.reader.stored(sim_id) for sim_id in sim_ids]
        layers = np.array([len(one.hours) for one in stored], np.int64)
        hours = np.array(list(chain.from_iterable(one.hours for one in stored)), "timedelta64[h]")
        counts = np.array(list(chain.from_iterable(one.counts for one in stored)), np.int64)
        if (
            counts.sum() != cell.size
            or [len(one.counts) for one in stored] != layers.tolist()
            # A negative one is a very large one without its sign.
            or cell.view(np.uint64).max(initial=0) >= max(settings.x.size * settings.y.size, 1)
        ):
            wrong = ValueError(f"rows of {', '.join(sim_ids)} lie off their grid")
            raise damaged(self.reader.path, wrong)
        times = np.array([json.loads(one.receptor)["time"] for one in stored], "datetime64[s]")
        return CellBlock(
            settings.config.grid,
            settings.config.time_integrate,
            settings.x,
            settings.y,
            [receptor_of(sim_id) for sim_id in sim_ids],
            times,
            layers,
            (np.repeat(times, layers) + hours).astype("datetime64[ns]"),
            counts,
            cell,
            foot,
        )

    def footprint(self, sim_id: str) -> Footprint:
        """Read a footprint; influence is float64 of float32's precision.

        Raises:
            KeyError: it is not in this shard.
            DamagedShardError: its rows cannot be read.
        """
        settings, stored = self.settings, self.reader.stored(sim_id)
        cells = self.layer_cells(sim_id)
        values = np.zeros((cells.stamps.size, settings.y.size, settings.x.size))
        values.reshape(cells.stamps.size, -1)[cells.layer, cells.cell] = cells.values
        hours = np.asarray(stored.hours, np.int64)
        gridded = GriddedFootprint(values, hours, settings.x, settings.y, stored.empty_reason)
        return Footprint.of_gridded(gridded, cells.receptor, settings.config, settings.name)

    def receptor(self, sim_id: str) -> Receptor:
        """Return the receptor of a footprint.

        Raises:
            KeyError: it is not in this shard.
        """
        return Receptor.from_dict(json.loads(self.reader.stored(sim_id).receptor))


@lru_cache(maxsize=64)
def footprint_shard(reader: ShardReader) -> FootprintShard:
    """Return the footprints of a shard, whose settings are read once."""
    return FootprintShard(reader)
