"""Trajectories of a project."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from stilt.outputs.collection import LEFT_OUT, OutputCollection
from stilt.project.kinds import ERROR_PARTICLES, PARTICLES
from stilt.project.reading import Located, locate, read_trajectories
from stilt.roots import PathLike
from stilt.selection import Selection, candidates, checked

if TYPE_CHECKING:
    import xarray as xr

    from stilt.project.export import Format
    from stilt.trajectories import Trajectories


def _kind(error: bool) -> str:
    return ERROR_PARTICLES if error else PARTICLES


class TrajectoryCollection(OutputCollection):
    """Trajectory files of a project; ``collection[sim_id]`` reads one.

    The keywords of a selection are those of :class:`stilt.selection.Selection`.

    What is selected and has no particles yet, or has failed, is left out of every result; one
    sentence says how many those are. :meth:`missing` lists them.
    """

    def __getitem__(self, sim_id: str) -> Trajectories:
        (found,) = locate(self._files, [str(sim_id)], PARTICLES)
        if not found.exists():
            raise KeyError(f"{sim_id} has no trajectory")
        return read_trajectories(found)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have a trajectory, sorted."""
        return self._files.index.ids("transport_key IS NOT NULL")

    def paths(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone, of those that another configuration
        made, and of simulations without any. For particles in a store, files are written, and a
        notice says so.

        Args:
            error: those of the error runs.
            **selection: which simulations.
        """
        return self.chosen_paths(selection, LEFT_OUT, error=error)

    def chosen_paths(
        self, selection: Selection, therefore: str, *, error: bool = False
    ) -> list[Path]:
        """Return the same for an answer that says what follows for simulations without any.

        Args:
            selection: which simulations.
            therefore: what follows for those without any; "" says nothing of them.
            error: those of the error runs.
        """
        return self._paths(self._located(error, selection, therefore), _kind(error))

    def load(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[Trajectories]:
        """Read the particles of registered simulations that exist, by id.

        Simulations without any are left out, which a notice says.
        """
        return [read_trajectories(one) for one in self._located(error, selection, LEFT_OUT)]

    def open(self, *, error: bool = False, **selection: Unpack[Selection]) -> xr.Dataset:
        """Return particles of the whole campaign as one lazy dataset; nothing is read yet.

        Those that another configuration made are left out, and so are simulations without any;
        notices say how many. Behind the variables are chunks of dask where dask is installed, else
        xarray reads what is indexed.

        Args:
            error: those of the error runs.
            **selection: which simulations.

        Returns:
            A variable for each column, dims (receptor, particle, minutes_back) or
            (..., minutes_after) of forward runs, NaN where there is no such row; ``receptor`` is
            the simulation's id, with coordinates of time, place and labels.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected.
        """
        from stilt.project.campaign_particles import open_particles

        config = self._owner.config
        table, located = self._campaign(_kind(error), "", self._current(error), selection)
        return open_particles(located, table, config.n_hours, config.numpar)

    def export(
        self,
        path: PathLike,
        *,
        format: Format | None = None,
        error: bool = False,
        **selection: Unpack[Selection],
    ) -> int:
        """Write particles of a selection for other programs.

        As for :meth:`open`, notices say what is left out.

        Args:
            path: file to make or replace; for ``files`` and ``zarr`` a folder.
            format: ``files`` (a Parquet file for each simulation), ``netcdf`` (one file, dims
                (receptor, particle, minutes_back)), ``zarr`` or ``parquet`` (one file of rows);
                None goes by the suffix, and by default makes files.
            error: those of the error runs.
            **selection: which simulations.

        Returns:
            How many simulations were written.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or a package is missing.
        """
        return self._export(
            path, format, _kind(error), "", self._current(error), selection,
            lambda: self.open(error=error, **selection),
        )  # fmt: skip

    def missing(self, *, error: bool = False, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors without such a file."""
        return self._missing(candidates(self._owner, checked(selection)), _kind(error))

    def _current(self, error: bool) -> dict[str, list[str]]:
        """Content keys of current outputs, by meteorology."""
        expected = self._files.expectations
        return {m: e.accepted(e.error if error else e.transport) for m, e in expected.items()}

    def _located(self, error: bool, selection: Selection, therefore: str) -> list[Located]:
        key = "error_key" if error else "transport_key"
        ids = self.registered(selection)
        return self._existing(
            ids, _kind(error), "", lambda row: row[key] is not None, partial(self._current, error),
            therefore=therefore, or_none=True,
        )  # fmt: skip

    def tell_of_earlier(self, sim_ids: Sequence[str], *, error: bool = False) -> None:
        """Say once how many particles of some simulations another configuration made."""
        self._tell_of_earlier(sim_ids, _kind(error), "", partial(self._current, error))

    def __repr__(self) -> str:
        return f"<trajectories of {self._owner.name}>"
