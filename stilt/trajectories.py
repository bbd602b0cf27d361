"""The particles of one simulation, and the Parquet file they are kept in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stilt.atomic import atomic_path
from stilt.errors import StiltError, TrajectoryError
from stilt.receptors import Receptor

if TYPE_CHECKING:
    from stilt.plotting.trajectories import TrajectoryPlots

PREFIX = "stilt:"
DATETIME = "datetime"
# Columns of few distinct values, which a dictionary packs well.
REPEATED = ("indx", "time", "samt", "xhgt")


class Trajectories:
    """Particles of one receptor, one row per particle and output step.

    Attributes:
        particles: the table, with ``datetime`` (naive UTC) where read from a file.
        receptor: where and when the particles were released.
        params: configuration the transport ran with, plain values.
        met_files: names of the weather files used.
        is_error: whether winds were perturbed (an error run).
        extra: further text stored with the table, such as ``hash``.
    """

    def __init__(
        self,
        particles: pd.DataFrame,
        receptor: Receptor,
        params: Mapping[str, Any] | None = None,
        met_files: Sequence[str | os.PathLike[str]] = (),
        is_error: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.particles = particles
        self.receptor = receptor
        self.params = dict(params or {})
        self.met_files = [os.fspath(path) for path in met_files]
        self.is_error = is_error
        self.extra = dict(extra or {})

    @classmethod
    def from_parquet(
        cls, path: str | os.PathLike[str], columns: Sequence[str] | None = None
    ) -> Trajectories:
        """Read a trajectory file.

        Args:
            path: file written by :meth:`to_parquet`.
            columns: which to read, all when None; ``datetime`` is computed, not stored.

        Raises:
            FileNotFoundError: there is no such file.
            TrajectoryError: the file is damaged or not a trajectory file.
        """
        stored = None
        if columns is not None:
            needed = ["time", *columns] if DATETIME in columns else list(columns)
            stored = [name for name in dict.fromkeys(needed) if name != DATETIME]
        try:
            table = pq.read_table(path, columns=stored, page_checksum_verification=True)
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
        metadata = _decoded(table.schema, path)
        try:
            receptor = Receptor.from_dict(metadata.pop("receptor"))
        except (StiltError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _unreadable(path, error) from error
        particles = table.to_pandas()
        if columns is None or DATETIME in columns:
            particles[DATETIME] = particle_times(particles, receptor)
        if columns is not None:
            particles = particles[list(columns)]
        known = {name: metadata.pop(name) for name in ("params", "met_files", "is_error")}
        return cls(particles, receptor, **known, extra=metadata)

    def to_parquet(
        self, path: str | os.PathLike[str], *, extra: Mapping[str, str] | None = None
    ) -> Path:
        """Write the table under a temporary name, then rename it.

        Args:
            path: file to make or replace.
            extra: further text for the schema's metadata, stored under ``stilt:<key>``.
        """
        metadata = {
            "receptor": self.receptor.to_dict(),
            "params": self.params,
            "met_files": self.met_files,
            "is_error": self.is_error,
        }
        encoded = {key: json.dumps(value) for key, value in metadata.items()}
        encoded.update(self.extra)
        encoded.update(extra or {})
        names = [str(name) for name in self.particles.columns if name != DATETIME]
        # Column by column from the arrays: by way of pandas, Arrow looks for NaN and copies.
        table = pa.Table.from_arrays(
            [pa.array(self.particles[name].to_numpy()) for name in names],
            names,
            metadata={PREFIX + key: value for key, value in encoded.items()},
        )
        dictionary = [name for name in REPEATED if name in names]
        floats = [
            field.name
            for field in table.schema
            if pa.types.is_floating(field.type) and field.name not in dictionary
        ]
        with atomic_path(path) as temporary:
            pq.write_table(
                table,
                temporary,
                compression=_compression(),
                use_dictionary=dictionary,
                use_byte_stream_split=floats,
                write_page_checksum=True,
            )
        return Path(path)

    def endpoints(self) -> pd.DataFrame:
        """Where each particle was last seen: its row with the largest elapsed time.

        Returns:
            indx, time (naive UTC), lati, long (degrees), zagl (m), endpoint_age_min (minutes,
            negative backward) and run_time (the receptor's time), by ascending indx.
        """
        table = self.particles
        elapsed = table["time"].abs().to_numpy()
        order = np.lexsort((elapsed, table["indx"].to_numpy()))
        last = table.iloc[order].drop_duplicates("indx", keep="last")
        return pd.DataFrame(
            {
                "indx": last["indx"].to_numpy(),
                "time": particle_times(last, self.receptor).to_numpy(),
                "lati": last["lati"].to_numpy(),
                "long": last["long"].to_numpy(),
                "zagl": last["zagl"].to_numpy(),
                "endpoint_age_min": last["time"].to_numpy(np.float64),
                "run_time": self.receptor.time,
            }
        )

    @cached_property
    def plot(self) -> TrajectoryPlots:
        """Maps of these particles (needs matplotlib)."""
        from stilt.plotting.trajectories import TrajectoryPlots

        return TrajectoryPlots(self)

    def __len__(self) -> int:
        return len(self.particles)

    def __repr__(self) -> str:
        kind = "error trajectories" if self.is_error else "trajectories"
        return f"<Trajectories: {kind} of {self.receptor.id}, {len(self)} rows>"


def particle_times(particles: pd.DataFrame, receptor: Receptor) -> pd.Series:
    """Naive UTC time of every row, to the millisecond."""
    milliseconds = np.round(particles["time"].to_numpy(np.float64) * 60_000).astype("int64")
    times = np.datetime64(receptor.time, "ms") + milliseconds.astype("timedelta64[ms]")
    return pd.Series(times, index=particles.index, name=DATETIME)


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of a trajectory file's columns.

    Raises:
        FileNotFoundError: there is no such file.
        TrajectoryError: the file is damaged.
    """
    try:
        return list(pq.read_schema(path).names)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what is stored beside the particles without reading the particles.

    Returns:
        receptor (mapping), params, met_files, is_error, and extra texts such as hash.

    Raises:
        FileNotFoundError: there is no such file.
        TrajectoryError: the file is damaged or not a trajectory file.
    """
    try:
        schema = pq.read_schema(path)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    return _decoded(schema, path)


def _decoded(schema: pa.Schema, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Take this package's keys out of a schema's metadata."""
    try:
        texts: dict[str, Any] = {
            key.decode().removeprefix(PREFIX): value.decode()
            for key, value in (schema.metadata or {}).items()
            if key.decode().startswith(PREFIX)
        }
        for key in ("receptor", "params", "met_files", "is_error"):
            texts[key] = json.loads(texts[key])
    except (KeyError, ValueError) as error:
        raise _unreadable(path, error) from error
    return texts


def _unreadable(path: str | os.PathLike[str], error: Exception) -> TrajectoryError:
    return TrajectoryError(
        f"{os.fspath(path)} is not a readable trajectory file ({error}); delete it and run the "
        "simulation again."
    )


def _compression() -> str:
    """Best compression this build of Arrow has."""
    for codec in ("zstd", "snappy"):
        if pa.Codec.is_available(codec):
            return codec
    return "none"
