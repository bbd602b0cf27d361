"""Footprints of a project, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from stilt.errors import UsageError
from stilt.missing_attributes import no_attribute
from stilt.nearest_names import nearest_name
from stilt.outputs.collection import LEFT_OUT, OutputCollection
from stilt.outputs.realizations import by_realization, numbers_of
from stilt.project.keys import ERROR_SUFFIX, parse_footprint_keys
from stilt.project.kinds import FOOTPRINTS
from stilt.project.reading import Located, locate, read_footprint
from stilt.roots import PathLike
from stilt.selection import Owner, Selection, candidates, checked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.footprint import Footprint
    from stilt.footprint.jacobian import Jacobian
    from stilt.plotting.footprint_files import FootprintFilesPlots
    from stilt.project.campaign_footprints import Along
    from stilt.project.export import Format
    from stilt.project.footprint_set import FootprintSet


class FootprintCollection(OutputCollection):
    """Footprint files of one name; ``collection[sim_id]`` reads one.

    Methods that combine footprints read one at a time, and their rows are named by
    simulation id. The keywords of a selection are those of :class:`stilt.selection.Selection`.

    What is selected and has no footprint yet, or has failed, is left out of every result; one
    sentence says how many those are. :meth:`missing` lists them.
    """

    def __init__(self, owner: Owner, name: str) -> None:
        super().__init__(owner)
        self.name = name

    def __getitem__(self, sim_id: str) -> Footprint:
        (found,) = locate(self._files, [str(sim_id)], FOOTPRINTS, self.name)
        if not found.exists():
            raise KeyError(f"{sim_id} has no footprint '{self.name}'")
        return read_footprint(found)

    def keys(self) -> list[str]:
        """Return ids of the simulations that have this footprint, sorted."""
        return self._files.index.ids(
            "s.sim_id IN (SELECT sim_id FROM footprints WHERE name = ?)", [self.name]
        )

    def paths(self, **selection: Unpack[Selection]) -> list[Path]:
        """Return files of registered simulations that exist, by id.

        Warns of those that the index has and that are gone, of those that another configuration
        made, and of simulations without one, as all methods do that read a selection. For
        footprints in a store, files are written, and a notice says so.
        """
        return self._paths(self._located(selection, LEFT_OUT), FOOTPRINTS, self.name)

    def load(self, **selection: Unpack[Selection]) -> list[Footprint]:
        """Read footprints of registered simulations, by id; empty ones have ``is_empty``.

        Simulations without one are left out, which a notice says.
        """
        return list(self.select(**selection))

    def open(self, *, along: Along = "hours_back", **selection: Unpack[Selection]) -> xr.DataArray:
        """Return the whole campaign, or a selection, as one lazy array; nothing is read yet.

        ``.sel``, ``.mean("receptor")`` and ``.plot`` work as on any array. Footprints that another
        configuration made are left out, and so are simulations without one; notices say how many.
        Behind it are chunks of dask where dask is installed, else xarray reads what is indexed.

        Args:
            along: ``hours_back`` (``hours_after`` of forward runs) counts hours from each
                receptor's time; ``time`` has clock hours, in which the hours of a receptor at
                14:37 stand where they begin.
            **selection: which simulations.

        Returns:
            Influence in ppm per (umol m-2 s-1), dims (receptor, hours_back or time, lat, lon) or
            (..., y, x); ``receptor`` is the simulation's id, with coordinates of time, place,
            scene and labels. With several ``realizations`` these are a dimension before it.
            float32 when all of it is in the store, else float64.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or the footprint is not configured.
        """
        from stilt.project.campaign_footprints import check_along, open_footprints

        check_along(along)
        config = self._owner.config
        settings = config.footprints.get(self.name.removesuffix(ERROR_SUFFIX))
        if settings is None:
            raise UsageError(
                f"config.yaml has no footprint '{self.name}', and so no grid to open it on: "
                "load() reads footprints one by one."
            )
        table, located = self._campaign(FOOTPRINTS, self.name, self._current(), selection)
        opened = open_footprints(located, table, settings, config.n_hours, self.name, along)
        return by_realization(opened, config)

    def export(
        self,
        path: PathLike,
        *,
        format: Format | None = None,
        along: Along = "hours_back",
        **selection: Unpack[Selection],
    ) -> int:
        """Write footprints of a selection for other programs.

        As for :meth:`open`, notices say what is left out.

        Args:
            path: file to make or replace; for ``files`` and ``zarr`` a folder.
            format: ``files`` (a NetCDF file for each simulation), ``netcdf`` (one CF file, dims as
                of :meth:`open`), ``zarr``, or ``parquet`` (one file with a row for each cell that
                is not zero); None goes by the suffix, and by default makes files.
            along: as for :meth:`open`.
            **selection: which simulations.

        Returns:
            How many simulations were written.

        Raises:
            FileNotFoundError: there is no config.yaml.
            UsageError: nothing is selected, or a package is missing.
        """
        return self._export(
            path, format, FOOTPRINTS, self.name, self._current(), selection,
            lambda: self.open(along=along, **selection).to_dataset(),
        )  # fmt: skip

    def select(self, **selection: Unpack[Selection]) -> FootprintSet:
        """Return the footprints of a selection as one set, read as it is used.

        Simulations without one are left out, which a notice says.
        """
        return self.chosen(selection, LEFT_OUT)

    def chosen(self, selection: Selection, therefore: str, *, or_none: bool = True) -> FootprintSet:
        """Return the same for an answer that says what follows for simulations without one.

        Args:
            selection: which simulations.
            therefore: what follows for those without one, such as "are not in the mean"; "" says
                nothing of them.
            or_none: say it also where no simulation has one; False leaves that to an error.
        """
        from stilt.project.footprint_set import FootprintSet

        try:
            n_hours: float | None = self._owner.config.n_hours
        except FileNotFoundError:
            n_hours = None
        return FootprintSet(self._located(selection, therefore, or_none=or_none), n_hours)

    def _current(self) -> dict[str, list[str]]:
        """Content keys of current outputs, by meteorology."""
        expected = self._files.expectations
        return {met: e.accepted(e.footprints.get(self.name)) for met, e in expected.items()}

    def _located(
        self, selection: Selection, therefore: str, *, or_none: bool = True
    ) -> list[Located]:
        return self._existing(
            self.registered(selection),
            FOOTPRINTS,
            self.name,
            lambda row: self.name in parse_footprint_keys(row["footprint_keys"])[0],
            self._current,
            therefore=therefore,
            or_none=or_none,
        )

    def tell_of_earlier(self, sim_ids: Sequence[str]) -> None:
        """Say once how many footprints of some simulations another configuration made."""
        self._tell_of_earlier(sim_ids, FOOTPRINTS, self.name, self._current)

    def why_none(self, **selection: Unpack[Selection]) -> str:
        """Say in a sentence why a selection has no footprint."""
        return self._none_chosen(FOOTPRINTS, self.name, selection)

    def jacobian(
        self,
        target: Any,
        time_bins: Any,
        *,
        resolution: float | tuple[float, float] | None = None,
        projection: str | None = None,
        names: str | Sequence[Any] | None = None,
        **selection: Unpack[Selection],
    ) -> Jacobian:
        """Sparse matrix of measurements by cells (or regions) and times, ppm per (umol m-2 s-1).

        Simulations without a footprint have no row, which a notice says.

        Args:
            target: a :class:`stilt.Grid` or what else
                :meth:`stilt.footprint.Footprint.aggregate` takes; polygons: a GeoDataFrame, or a
                mapping of names to shapely polygons; basis functions: an array of weights
                (region, lat, lon); or :class:`stilt.inversion.Regions`, also of a map of labels.
            time_bins, resolution, projection: as for
                :meth:`stilt.footprint.Footprint.aggregate`.
            names: of polygons: a column of the GeoDataFrame, or one for each; None takes its index.
            **selection: which simulations.

        Returns:
            The matrix; with several ``realizations`` its ``receptors`` have them as a column.

        Raises:
            UsageError: nothing is selected, or the target or the bins cannot be used.
        """
        found = self.chosen(selection, "have no row in the matrix").jacobian(
            target, time_bins, resolution=resolution, projection=projection, names=names
        )
        receptors = self._with_labels(found.receptors)
        numbers = numbers_of(self._owner.config, receptors.index)
        if numbers is not None:
            receptors["realization"] = numbers
        return replace(found, receptors=receptors)

    def enhancement(
        self,
        flux: xr.DataArray,
        *,
        molar_mass_g: float | None = None,
        projection: str | None = None,
        **selection: Unpack[Selection],
    ) -> pd.DataFrame:
        """What a surface flux adds to each measurement, ppm.

        Simulations without a footprint have no row, which a notice says.

        Args:
            flux, molar_mass_g, projection: see :func:`stilt.footprint.enhancement.enhancement`.
            **selection: which simulations.

        Returns:
            Index = simulation id; ``time``, ``enhancement_ppm``, and ``outside``, the influence
            that the flux does not cover, with ``outside_share``, its share of the footprint. More
            than a tenth is warned of. Labels of the receptors follow, a column each.

        Raises:
            UsageError: units are missing or wrong, or the grid or the times cannot be used.
        """
        chosen = self.chosen(selection, "have no row in the table")
        found = chosen.enhancement(flux, molar_mass_g=molar_mass_g, projection=projection)
        return self._with_labels(found)

    def _with_labels(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a table of simulations with their receptors' labels in further columns."""
        labels = self._files.index.labels(frame.index.tolist())
        found = frame.copy()
        for name in labels:
            found[f"label_{name}" if name in frame else name] = labels[name].to_numpy()
        return found

    def mean(self, **selection: Unpack[Selection]) -> xr.DataArray:
        """Mean over a selection (see :meth:`select`) of the time-summed footprints.

        Simulations without a footprint are not in it, which a notice says.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.chosen(selection, "are not in the mean").mean()

    def sum(self, **selection: Unpack[Selection]) -> xr.DataArray:
        """Sum over a selection (see :meth:`select`) and time.

        Simulations without a footprint are not in it, which a notice says.

        Raises:
            UsageError: nothing is selected, or grids differ.
        """
        return self.chosen(selection, "are not in the sum").sum()

    @property
    def plot(self) -> FootprintFilesPlots:
        """Pictures of all these footprints together; ``select(...).plot`` for some of them."""
        return self.chosen({}, "are not in the picture").plot

    def missing(self, **selection: Unpack[Selection]) -> list[str]:
        """Return simulations of the current receptors without this footprint."""
        ids = candidates(self._owner, checked(selection))
        return self._missing(ids, FOOTPRINTS, self.name)

    def __repr__(self) -> str:
        return f"<footprints {self.name!r} of {self._owner.name}>"


class FootprintCollections:
    """Footprints of a project by name: those of the configuration, and those in the index."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            instead = {}
            if hasattr(FootprintCollection, name):
                instead[name] = f"say of which footprints, as in footprints[NAME].{name}."
            raise no_attribute(self, name, instead)

    def names(self) -> list[str]:
        """Return configured names; those of the index without a configuration."""
        try:
            configured = self._owner.config.footprints
        except FileNotFoundError:
            return self._owner.files.index.footprint_names()
        names = []
        for name, footprint in configured.items():
            names += [name, name + ERROR_SUFFIX] if footprint.error else [name]
        return names

    def __getitem__(self, name: str) -> FootprintCollection:
        """Footprints of one name.

        Raises:
            KeyError: neither the configuration nor the index has this name.
        """
        if name not in self:
            raise KeyError(f"there is no footprint {name!r}: {nearest_name(name, self.names())}")
        return FootprintCollection(self._owner, name)

    def __contains__(self, name: object) -> bool:
        return name in self.names() or name in self._owner.files.index.footprint_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())
