"""Footprints as rows of a shard: an hour, a cell and its influence each, zeros left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from stilt.config import FootprintConfig, Grid
from stilt.footprint.calculate import GriddedFootprint
from stilt.footprint.footprint import Footprint
from stilt.footprint.layers import LayerCells, Layers
from stilt.footprint.netcdf import GRID_NUMBERS, LONG_NAME, UNITS, coordinate_attributes
from stilt.footprint.steps import Floats
from stilt.receptors import Receptor
from stilt.store.shards import ShardReader, damaged

if TYPE_CHECKING:
    from stilt.footprint.gridded import GriddedInfluence

FOOT = "foot"
CELL = "cell"
TIME = "time"
_HOUR = np.timedelta64(3600, "s")


def settings_of(footprint: GriddedInfluence) -> dict[str, Any]:
    """Return what footprints of one name have in common, as plain values."""
    config, grid, data = footprint.config, footprint.grid, footprint.data
    dims = list(coordinate_attributes(grid.projection))[1:]
    return {
        "columns": {
            TIME: "start of an hour, UTC",
            dims[0]: "centre of a cell, northward",
            dims[1]: "centre of a cell, eastward",
            CELL: "number of the cell in its grid, row * columns + column, from the first of axes",
            FOOT: f"{LONG_NAME}, {UNITS}; float32",
        },
        "axes": {dim: data[dim].values.tolist() for dim in dims},
        "projection": grid.projection,
        **{key: float(getattr(grid, key)) for key in GRID_NUMBERS},
        "smooth_factor": float(config.smooth_factor),
        "time_integrate": bool(config.time_integrate),
        "transforms": list(config.transforms),
    }


def hours_of(footprint: GriddedInfluence) -> tuple[int, ...]:
    """Return the layers of a footprint as hours from the receptor's time."""
    start = footprint.receptor.time.to_datetime64().astype("datetime64[s]")
    stamps = footprint.data[TIME].values.astype("datetime64[s]")
    return tuple(((stamps - start) // _HOUR).tolist())


def rows_of(footprint: GriddedInfluence) -> tuple[pa.Table, tuple[int, ...]]:
    """Return the rows of a footprint, by time, then row and column of the grid.

    Influence is rounded to float32; a cell that this makes zero is left out.

    Returns:
        The rows, and how many of them each layer has.
    """
    layers = Layers.of(footprint)
    foot = layers.values.astype(np.float32)
    cell = layers.places()
    layer = np.repeat(np.arange(layers.stamps.size), np.diff(layers.first_of_layers))
    if not foot.all():
        kept = np.flatnonzero(foot)
        foot, cell, layer = foot[kept], cell[kept], layer[kept]
    row, column = np.divmod(cell, max(layers.x.size, 1))
    y, x = list(coordinate_attributes(footprint.grid.projection))[1:]
    table = pa.table(
        {
            TIME: pa.array(layers.stamps.astype("datetime64[ms]")[layer]),
            y: layers.y[row],
            x: layers.x[column],
            CELL: cell.astype(np.int32),
            FOOT: foot,
        }
    )
    return table, tuple(np.bincount(layer, minlength=layers.stamps.size).tolist())


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
        settings, stored = self.settings, self.reader.stored(sim_id)
        receptor, stamps = self.times(sim_id)
        table = self.reader.rows(sim_id, (CELL, FOOT))
        cell, foot = (table[name].to_numpy() for name in (CELL, FOOT))
        counts = np.asarray(stored.counts, np.int64)
        size = settings.x.size * settings.y.size
        if (
            counts.sum() != cell.size
            or counts.size != stamps.size
            or (cell.size and not 0 <= int(cell.min()) <= int(cell.max()) < size)
        ):
            raise damaged(self.reader.path, ValueError(f"rows of {sim_id} lie off their grid"))
        return LayerCells(
            receptor,
            settings.config.grid,
            settings.config.time_integrate,
            settings.x,
            settings.y,
            stamps,
            counts,
            cell,
            foot.astype(np.float64),
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

    def times(self, sim_id: str) -> tuple[Receptor, np.ndarray]:
        """Return the receptor of a footprint, and the start of each layer, datetime64[ns].

        Raises:
            KeyError: it is not in this shard.
        """
        stored = self.reader.stored(sim_id)
        receptor = Receptor.from_dict(json.loads(stored.receptor))
        hours = np.asarray(stored.hours, "timedelta64[h]")
        return receptor, (receptor.time.to_datetime64() + hours).astype("datetime64[ns]")


@lru_cache(maxsize=64)
def footprint_shard(reader: ShardReader) -> FootprintShard:
    """Return the footprints of a shard, whose settings are read once."""
    return FootprintShard(reader)
