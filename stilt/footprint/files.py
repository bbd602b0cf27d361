"""Many footprint files as one set that is read as it is used."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stilt.errors import UsageError
from stilt.footprint.enhancement import enhancement
from stilt.footprint.footprint import Footprint
from stilt.footprint.jacobian import Jacobian, jacobian
from stilt.footprint.layers import CellBlock, Layers
from stilt.footprint.netcdf import read_layers
from stilt.footprint.reduce import mean_footprint, sum_footprints
from stilt.footprint.regions import Regions, regional_jacobian

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from stilt.plotting.footprint_files import FootprintFilesPlots


class FootprintSet(ABC):
    """Footprints that are read one at a time by whatever goes through them.

    Attributes:
        labels: names of the rows in results, such as simulation ids; None: the receptors' ids.
    """

    labels: list[str] | None

    @abstractmethod
    def __len__(self) -> int:
        """Return how many there are."""

    @abstractmethod
    def __iter__(self) -> Iterator[Footprint]:
        """Read one after the other."""

    @abstractmethod
    def layers(self) -> Iterator[Layers]:
        """Read what is not zero in one after the other."""

    @abstractmethod
    def readers(self) -> dict[str, Callable[[], Layers]]:
        """Return by label, in order, what reads what is not zero in one of them."""

    def parts(self) -> Iterator[Layers | CellBlock]:
        """Read the same in the form in which it is kept, and as many at a time as lie together."""
        return self.layers()

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
            return regional_jacobian(self.layers(), regions, time_bins, labels=self.labels)
        return jacobian(
            self.parts(),
            target,
            time_bins,
            resolution=resolution,
            projection=projection,
            labels=self.labels,
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


class FootprintFiles(FootprintSet):
    """Footprint files, read one at a time by whatever goes through them.

    Attributes:
        paths: the files.
        labels: names of the rows in results, such as simulation ids; None: the receptors' ids.
    """

    def __init__(
        self, paths: Iterable[str | os.PathLike[str]], labels: Sequence[str] | None = None
    ) -> None:
        self.paths = [os.fspath(path) for path in paths]
        self.labels = None if labels is None else list(labels)
        if self.labels is not None and len(self.labels) != len(self.paths):
            raise UsageError(
                f"{len(self.paths)} footprint files cannot have {len(self.labels)} labels."
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Footprint]:
        return map(Footprint.from_netcdf, self.paths)

    def layers(self) -> Iterator[Layers]:
        """Read what is not zero in one after the other."""
        return map(read_layers, self.paths)

    def readers(self) -> dict[str, Callable[[], Layers]]:
        """Return by label, in order, what reads what is not zero in one of them."""
        labels = self.labels or [str(number) for number in range(len(self.paths))]
        return {
            label: partial(read_layers, path)
            for label, path in zip(labels, self.paths, strict=True)
        }

    def __repr__(self) -> str:
        return f"<{len(self)} footprint files>"
