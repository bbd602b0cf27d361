"""Campaigns that R-STILT or PYSTILT made: their receptors, footprints and particles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stilt.config import FootprintConfig, Grid
from stilt.errors import UsageError
from stilt.exchange.rstilt_footprint import read_footprint
from stilt.exchange.rstilt_script import read_script
from stilt.footprint import Footprint
from stilt.receptors import ColumnReceptor, PointReceptor, Receptor, parse_time

RSTILT, PYSTILT = "R-STILT", "PYSTILT"
# R writes 100000 as 1e+05 and 0.0001 as 1e-04.
_NUMBER = r"-?\d[\d.]*(?:e[+-]?\d+)?"
_R_ID = re.compile(rf"(\d{{12,14}})_({_NUMBER})_({_NUMBER})_(X|{_NUMBER})")
# PYSTILT 0.1.0a25's names of particle columns, and ours.
_COLUMNS = {"age": "time", "particle": "indx", "lon": "long", "lat": "lati"}
FOOTPRINT = "default"
SCRIPT = "r/run_stilt.r"


@dataclass(frozen=True)
class OldSimulation:
    """One simulation of another program.

    Attributes:
        met: name of the weather, lower-case letters and digits.
        receptor: its receptor.
        footprint: its footprint, None where there is none.
        particles: its particles, None where there are none or they cannot be read.
        transforms: what its particles were weighted by, as text; "" for nothing.
    """

    met: str
    receptor: Receptor
    footprint: Footprint | None
    particles: pd.DataFrame | None
    transforms: str = ""


@dataclass(frozen=True)
class OldCampaign:
    """A campaign of another program.

    Attributes:
        program: ``R-STILT`` or ``PYSTILT``.
        folder: where it is.
        settings: what its script or configuration says, by its names; empty where there is none.
    """

    program: str
    folder: Path
    settings: dict[str, Any]

    @classmethod
    def find(cls, folder: Path) -> OldCampaign:
        """Find out whose campaign lies in a folder.

        Raises:
            UsageError: neither's.
        """
        if (folder / "out" / "by-id").is_dir() or any(folder.glob("*/*_foot.nc")):
            return cls(RSTILT, folder, read_script(folder / SCRIPT))
        if (folder / "config.yaml").is_file() and any(_py_files(folder, "footprints")):
            return cls(PYSTILT, folder, _py_settings(folder))
        raise UsageError(
            f"{folder} holds no campaign that can be read: R-STILT's has out/by-id with *_foot.nc, "
            "PYSTILT's config.yaml and output/footprints."
        )

    def simulations(
        self, *, met: str | None = None, column: tuple[float, float] | None = None
    ) -> Iterator[OldSimulation]:
        """Read one simulation after the other.

        Args:
            met: name of the weather for R-STILT, which knows one; of the variant to read for
                PYSTILT; None takes all.
            column: bottom and top in m above ground of R-STILT's columns, whose files do not say
                them unless their particles can be read.

        Raises:
            UsageError: a file cannot be read.
        """
        if self.program == RSTILT:
            yield from _r_simulations(self.folder, met or "met", column)
        else:
            yield from _py_simulations(self.folder, met)

    def has_unreadable_particles(self) -> bool:
        """Return whether there are particle files that need a package which is not installed."""
        if self.program != RSTILT or find_spec("rdata") is not None:
            return False
        return any(_r_root(self.folder).glob("*/*_traj.rds"))

    def unread(self) -> list[str]:
        """Return names of R-STILT's simulations that do not say their receptor, as its ids do."""
        if self.program != RSTILT:
            return []
        folders = {file.parent.name for file in _r_root(self.folder).glob("*/*_foot.nc")}
        return sorted(name for name in folders if not _R_ID.fullmatch(name))


def _r_root(folder: Path) -> Path:
    return folder / "out" / "by-id" if (folder / "out" / "by-id").is_dir() else folder


def _r_simulations(
    folder: Path, met: str, column: tuple[float, float] | None
) -> Iterator[OldSimulation]:
    root = _r_root(folder)
    for place in sorted(each for each in root.iterdir() if _R_ID.fullmatch(each.name)):
        trajectory = _read_rds(place / f"{place.name}_traj.rds")
        receptor = _r_receptor(place.name, trajectory, column)
        path = place / f"{place.name}_foot.nc"
        footprint = read_footprint(path, receptor, FOOTPRINT) if path.exists() else None
        particles = None if trajectory is None else trajectory["particle"].reset_index(drop=True)
        yield OldSimulation(met, receptor, footprint, particles)


def _r_receptor(
    name: str, trajectory: Mapping[str, Any] | None, column: tuple[float, float] | None
) -> Receptor:
    match = _R_ID.fullmatch(name)
    assert match
    time, lon, lat = parse_time(match[1]), float(match[2]), float(match[3])
    if match[4] != "X":
        return PointReceptor(time, lon, lat, float(match[4]))
    if trajectory is not None:
        heights = np.asarray(trajectory["receptor"]["zagl"], np.float64)
        column = float(heights.min()), float(heights.max())
    if column is None:
        raise UsageError(
            f"{name} is a column, and its name does not say which: install rdata (pip install "
            "rdata) so that its particles can be read, or give --column BOTTOM TOP."
        )
    return ColumnReceptor(time, lon, lat, *column)


def _read_rds(path: Path) -> Mapping[str, Any] | None:
    """Read an R file; None where there is none, or no package that reads it.

    Raises:
        UsageError: it is not a trajectory file of R-STILT.
    """
    if not path.exists():
        return None
    try:
        import rdata
    except ImportError:
        return None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = rdata.read_rds(str(path))
        told = {str(name): value for name, value in found.items()}
        told["particle"], told["receptor"]
    except Exception as error:
        # The package raises what its parser happens to meet.
        raise UsageError(
            f"{path} is not a particle file of R-STILT ({error}): remove it, to import the "
            "footprints without particles."
        ) from error
    return told


def _py_files(folder: Path, kind: str) -> Iterator[Path]:
    yield from sorted((_py_output(folder) / kind).glob("settings=*/date=*/*.parquet"))


def _py_output(folder: Path) -> Path:
    settings = _py_settings(folder) if (folder / "config.yaml").is_file() else {}
    return folder / str(settings.get("output", "./output"))


def _py_settings(folder: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{folder / 'config.yaml'} cannot be read ({error}).") from error
    return dict(found or {})


def _py_simulations(folder: Path, met: str | None) -> Iterator[OldSimulation]:
    import pyarrow.parquet as pq

    particles = {
        (_meta(path).get("hash"), path.stem): path for path in _py_files(folder, "particles")
    }
    variants = set()
    for path in _py_files(folder, "footprints"):
        meta = _meta(path)
        variant = str(meta.get("name", "met"))
        if met is not None and variant != met:
            variants.add(variant)
            continue
        receptor = _py_receptor(meta["receptor"])
        footprint = _py_footprint(pq.read_table(path).to_pandas(), meta, receptor)
        known = particles.get((meta.get("particles_hash"), path.stem))
        table = None
        if known is not None:
            table = pq.read_table(known).to_pandas().drop(columns="receptor")
            table = table.rename(columns=_COLUMNS)
        name = re.sub(r"[^a-z0-9]", "", variant.lower()) or "met"
        variants.add(variant)
        weights = meta["footprint"].get("transforms") or ""
        yield OldSimulation(name, receptor, footprint, table, str(weights))
    if met is not None and met not in variants:
        raise UsageError(
            f"{folder} has no variant {met!r}: it has {', '.join(sorted(variants)) or 'none'}."
        )


def _meta(path: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        kept = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({error}).") from error
    found: dict[str, Any] = {}
    for key, value in kept.items():
        name = key.decode().removeprefix("stilt:")
        text = value.decode("utf-8", "replace")
        try:
            found[name] = json.loads(text)
        except json.JSONDecodeError:
            found[name] = text
    return found


def _py_receptor(told: Mapping[str, Any]) -> Receptor:
    kinds = {"point": "PointReceptor", "column": "ColumnReceptor",
             "multipoint": "MultiPointReceptor"}  # fmt: skip
    fields = dict(told)
    kind = kinds.get(str(fields.pop("kind", "point")))
    if kind is None:
        raise UsageError(f"PYSTILT's receptor {dict(told)} is of an unknown kind.")
    return Receptor.from_dict({"type": kind, **fields})


def _py_footprint(rows: pd.DataFrame, meta: Mapping[str, Any], receptor: Receptor) -> Footprint:
    told = meta["footprint"]
    numbers = dict(told["grid"])
    projection = str(numbers.pop("crs", "+proj=longlat"))
    grid = Grid(**{name: float(value) for name, value in numbers.items()}, projection=projection)
    config = FootprintConfig(
        grid=grid,
        smooth_factor=float(told.get("smooth_factor", 1.0)),
        time_integrate=bool(told.get("time_integrate", False)),
    )
    from stilt.footprint.cell_grid import CellGrid

    frame = CellGrid.of(grid)
    x, _ = frame.order_of_columns()
    y = frame.y.centres()
    hours = np.asarray(meta["hours"], np.int64)
    values = np.zeros((max(hours.size, 1), y.size, x.size))
    if len(rows):
        layer = np.searchsorted(hours, rows["hour"].to_numpy())
        values[layer, rows["y"].to_numpy(), rows["x"].to_numpy()] = rows["foot"].to_numpy()
    hours = hours if hours.size else np.zeros(1, np.int64)
    reason = "no_particles" if meta.get("empty") else ""
    return Footprint.of_layers(
        values, hours, x, y, receptor, config, FOOTPRINT, empty_reason=reason
    )
