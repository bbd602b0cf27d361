"""Footprints of a project, in files or in the store, as one set that is read as it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stilt.footprint.enhancement import enhancement
from stilt.footprint.jacobian import Jacobian, jacobian
from stilt.footprint.reduce import mean_footprint, sum_footprints
from stilt.footprint.regions import Regions, regional_jacobian
from stilt.project.reading import Located, read_footprint, read_layers, read_parts

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.footprint import Footprint
    from stilt.footprint.layers import CellBlock, Layers
    from stilt.plotting.footprint_files import FootprintFilesPlots


class FootprintSet:
    """Footprints of some simulations, read one after the other by whatever goes through them.

    Attributes:
        located: where they are.
        labels: ids of the simulations, which name the rows in results.
        n_hours: how long particles are followed, None where it is not known.
    """

    def __init__(self, located: Sequence[Located], n_hours: float | None = None) -> None:
        self.located = list(located)
        self.n_hours = n_hours
        self.labels = [one.sim_id for one in self.located]

    def __len__(self) -> int:
        return len(self.located)

    def __iter__(self) -> Iterator[Footprint]:
        return map(read_footprint, self.located)

    def layers(self) -> Iterator[Layers]:
        """Read what is not zero in one after the other."""
        return map(read_layers, self.located)

    def readers(self) -> dict[str, Callable[[], Layers]]:
        """Return by label, in order, what reads what is not zero in one of them."""
        return {one.sim_id: partial(read_layers, one) for one in self.located}

    def parts(self) -> Iterator[Layers | CellBlock]:
        """Read the same in the form in which it is kept, and as many at a time as lie together."""
        return read_parts(self.located)

    def jacobian(
        self,
        target: Any,
        time_bins: Any,
        *,
        resolution: float | tuple[float, float] | None = None,
        projection: str | None = None,
        names: str | Sequence[Any] | None = None,
    ) -> Jacobian:
        """Stack the footprints into a sparse matrix.

        Args:
            target: cells, as for :func:`stilt.footprint.jacobian.jacobian`; or regions, as for
                :meth:`stilt.footprint.regions.Regions.of`: polygons, or basis functions.
            time_bins, resolution, projection: as for :func:`stilt.footprint.jacobian.jacobian`.
            names: of regions.

        Raises:
            UsageError: there are no footprints, or the target or the bins cannot be used.
        """
        if Regions.are(target):
            regions = Regions.of(target, names=names)
            return regional_jacobian(
                self.layers(), regions, time_bins, labels=self.labels, n_hours=self.n_hours
            )
        return jacobian(
            self.parts(),
            target,
            time_bins,
            resolution=resolution,
            projection=projection,
            labels=self.labels,
            n_hours=self.n_hours,
        )

    def enhancement(
        self,
        flux: xr.DataArray,
        *,
        molar_mass_g: float | None = None,
        projection: str | None = None,
    ) -> pd.DataFrame:
        """What a flux adds to each measurement, ppm.

        See :func:`stilt.footprint.enhancement.enhancement`.
        """
        return enhancement(
            self, flux, molar_mass_g=molar_mass_g, projection=projection, labels=self.labels
        )

    def mean(self) -> xr.DataArray:
        """Mean over the set of the time-summed footprints."""
        return mean_footprint(self.parts())

    def sum(self) -> xr.DataArray:
        """Sum over the set and time."""
        return sum_footprints(self.parts())

    @property
    def plot(self) -> FootprintFilesPlots:
        """Pictures of these footprints together (needs matplotlib)."""
        from stilt.plotting.footprint_files import FootprintFilesPlots

        return FootprintFilesPlots(self)

    def __repr__(self) -> str:
        return f"<{len(self)} footprints>"
