"""Where the outputs of simulations are, in files or in the store, and reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from stilt.errors import SimulationError
from stilt.project.inputs import Project
from stilt.project.kinds import ENDS, FOOTPRINTS, PARTICLES
from stilt.project.layout import error_trajectory_name, footprint_name, trajectory_name
from stilt.project.records import shards_with
from stilt.reading_ahead import ahead
from stilt.receptors import receptor_of

if TYPE_CHECKING:
    import pandas as pd

    from stilt.footprint import Footprint
    from stilt.footprint.layers import CellBlock, LayerCells, Layers
    from stilt.receptors import Receptor
    from stilt.store import ShardReader
    from stilt.trajectories import Trajectories


class OfReceptor(Protocol):
    """A result of a receptor."""

    @property
    def receptor(self) -> Receptor:
        """The receptor."""


Own = TypeVar("Own", bound=OfReceptor)


@dataclass(frozen=True)
class Located:
    """An output of a simulation.

    Attributes:
        sim_id: the simulation.
        path: its file, or the shard that it is in, on this machine; it need not exist.
        shard: path of that shard within the store, "" for a file of its own.
    """

    sim_id: str
    path: Path
    shard: str = ""

    def exists(self) -> bool:
        """Return whether it is there."""
        return self.path.exists()

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """Say, where a block fails because the file is gone, that it is, and what to do.

        Raises:
            FileNotFoundError: it is gone.
        """
        try:
            yield
        except FileNotFoundError:
            if self.exists():
                raise
            raise FileNotFoundError(
                f"{self.path} is gone: `stilt run` (or model.run()) computes it again."
            ) from None


def locate(project: Project, sim_ids: Sequence[str], kind: str, name: str = "") -> list[Located]:
    """Return where outputs of some simulations are, whether they exist or not, in the order given.

    Files and shards on a URL are copied here first.

    Args:
        project: the project.
        sim_ids: which.
        kind, name: of the output.
    """
    shards = shards_of(project, sim_ids, kind, name)
    here = {shard: project.output_files.shard_path(shard) for shard in sorted(set(shards.values()))}
    found = []
    for sim_id in map(str, sim_ids):
        shard = shards.get(sim_id, "")
        if shard and here[shard].exists():
            found.append(Located(sim_id, here[shard], shard))
            continue
        own = project.output_files.local_copy(own_file(project, sim_id, kind, name))
        found.append(Located(sim_id, here[shard] if shard and not own.exists() else own, ""))
    return found


class Locations(Sequence[Located]):
    """Outputs of one kind of many simulations, looked for when they are asked for.

    Attributes:
        all_stored: whether all of them are in the store.

    Args:
        project: the project.
        sim_ids: the simulations.
        shards: shard of each, "" for a file of its own.
        kind, name: of the outputs.
    """

    def __init__(
        self,
        project: Project,
        sim_ids: Sequence[str],
        shards: Sequence[str],
        kind: str,
        name: str = "",
    ) -> None:
        self._project, self._kind, self._name = project, kind, name
        self._sim_ids, self._shards = sim_ids, shards
        self.all_stored = all(shards)

    def __len__(self) -> int:
        return len(self._sim_ids)

    @overload
    def __getitem__(self, number: int) -> Located: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Located]: ...
    def __getitem__(self, number: int | slice) -> Located | Sequence[Located]:
        if isinstance(number, slice):
            return [self[at] for at in range(*number.indices(len(self)))]
        sim_id, shard = self._sim_ids[number], self._shards[number]
        if shard:
            return Located(sim_id, self._project.output_files.shard_path(shard), shard)
        own = own_file(self._project, sim_id, self._kind, self._name)
        return Located(sim_id, self._project.output_files.local_copy(own))


def ends_in_store(project: Project) -> dict[str, Located]:
    """Return where the ends of particles are, of simulations that have them in the store."""
    from stilt.project.store_scan import name_of
    from stilt.project.store_scan import shards_of as listed
    from stilt.store import DamagedShardError, opened

    found: dict[str, Located] = {}
    shards = [s for s in listed(project.layout, project.remote) if s.startswith(f"{ENDS}/")]
    for shard in sorted(shards, key=name_of):
        path = project.output_files.shard_path(shard)
        try:
            simulations = opened(path).header.simulations
        except (FileNotFoundError, DamagedShardError):
            continue
        found |= {one.sim_id: Located(one.sim_id, path, shard) for one in simulations}
    return found


def own_file(project: Project, sim_id: str, kind: str, name: str = "") -> Path:
    """Return the path of the file that an output has with the layout ``files``."""
    layout = project.layout
    if kind == FOOTPRINTS:
        return layout.footprint(sim_id, name)
    return layout.trajectory(sim_id) if kind == PARTICLES else layout.error_trajectory(sim_id)


def own_name(sim_id: str, kind: str, name: str = "") -> str:
    """Return the name of the file that an output has with the layout ``files``."""
    if kind == FOOTPRINTS:
        return footprint_name(sim_id, name)
    return trajectory_name(sim_id) if kind == PARTICLES else error_trajectory_name(sim_id)


def shards_of(project: Project, sim_ids: Sequence[str], kind: str, name: str) -> dict[str, str]:
    """Return the shard of each output that is in one, as the index knows it."""
    if not sim_ids or (project.remote is None and not project.layout.store.is_dir()):
        return {}
    nothing: dict[str, str] = {}
    return project.index.read(partial(shards_with, sim_ids, kind, name), nothing)


def reader_of(located: Located) -> ShardReader:
    """Return a reader of the shard of an output, or of the one that it was compacted into since.

    Raises:
        FileNotFoundError: it is in none any more.
        DamagedShardError: the shard cannot be read.
    """
    from stilt.store import DamagedShardError, opened

    try:
        return opened(located.path)
    except FileNotFoundError:
        for path in sorted(located.path.parent.glob("[!.]*.parquet"), reverse=True):
            with suppress(FileNotFoundError, DamagedShardError):
                if located.sim_id in (reader := opened(path)):
                    return reader
    raise FileNotFoundError(
        f"{located.path} is gone, and no other shard has {located.sim_id}: look it up again, and "
        "if it is lost, run again."
    )


def read_footprint(located: Located) -> Footprint:
    """Read a footprint.

    Raises:
        FileNotFoundError, FootprintError, DamagedShardError: it is not there, or damaged.
    """
    from stilt.footprint import Footprint

    if not located.shard:
        with located.being_read():
            return _own(Footprint.from_netcdf(located.path), located)
    from stilt.store.footprint_rows import footprint_shard

    return footprint_shard(reader_of(located)).footprint(located.sim_id)


def _own(found: Own, located: Located) -> Own:
    """Return what a file holds, unless it is of another receptor than its name says.

    Raises:
        SimulationError: it is, as after files were copied or renamed by hand.
    """
    if (theirs := found.receptor.id) != receptor_of(located.sim_id):
        raise SimulationError(
            f"{located.path} holds results of another receptor, {theirs}: delete it, and `stilt "
            "run` (or model.run()) computes it again.",
            sim_id=located.sim_id,
        )
    return found


def read_layers(located: Located) -> Layers:
    """Read what is not zero in a footprint; see :func:`read_footprint`."""
    from stilt.footprint.layers import LayerCells

    found = read_cells(located)
    return found.runs() if isinstance(found, LayerCells) else found


def read_cells(located: Located) -> Layers | LayerCells:
    """Read what is not zero in a footprint, in the form in which it is kept."""
    from stilt.footprint.netcdf import read_layers as of_file

    if not located.shard:
        with located.being_read():
            return _own(of_file(located.path), located)
    from stilt.store.footprint_rows import footprint_shard

    return footprint_shard(reader_of(located)).layer_cells(located.sim_id)


def read_parts(located: Sequence[Located]) -> Iterator[Layers | CellBlock]:
    """Read what is not zero in footprints, in their order; see :func:`read_footprint`.

    Those that lie side by side in a shard are read together, and while they are used the next
    ones. Using one from a file takes a quarter of the time that reading it takes: a second thread
    would cost more than it saves.
    """
    for in_shards, neighbours in groupby(located, lambda one: bool(one.shard)):
        if in_shards:
            yield from ahead(_blocks(neighbours))
        else:
            yield from map(read_layers, neighbours)


def _blocks(neighbours: Iterable[Located]) -> Iterator[CellBlock]:
    from stilt.store.footprint_rows import footprint_shard

    for reader, together in groupby(neighbours, reader_of):
        yield from footprint_shard(reader).blocks([one.sim_id for one in together])


def particle_columns(located: Located) -> list[str]:
    """Return the names of the columns of particles; see :func:`read_trajectories`."""
    if located.shard:
        return reader_of(located).columns
    from stilt.trajectories import column_names

    with located.being_read():
        return column_names(located.path)


def read_columns(located: Located, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of particles; see :func:`read_trajectories`."""
    from stilt.trajectories import Trajectories

    if not located.shard:
        with located.being_read():
            return _own(Trajectories.from_parquet(located.path, columns), located).particles
    return reader_of(located).rows(located.sim_id, columns).to_pandas()


def read_trajectories(located: Located) -> Trajectories:
    """Read particles.

    Raises:
        FileNotFoundError, TrajectoryError, DamagedShardError: they are not there, or damaged.
    """
    from stilt.trajectories import Trajectories

    if not located.shard:
        with located.being_read():
            return _own(Trajectories.from_parquet(located.path), located)
    from stilt.store.particle_rows import particles_of

    return particles_of(reader_of(located), located.sim_id)
