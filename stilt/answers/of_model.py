"""Methods of a model that use its outputs: background, time series, uncertainty, exports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from stilt.errors import UsageError
from stilt.roots import PathLike
from stilt.selection import Owner, Selection

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class ModelWithObservations(Owner, Protocol):
    """What these methods need of a model."""

    @property
    def observations(self) -> pd.DataFrame:
        """What was measured, by receptor id."""


class Answers:
    """The methods of :class:`stilt.Model` that use outputs."""

    def background(
        self: ModelWithObservations,
        field: Any,
        *,
        variable: str | None = None,
        field_units: str | None = None,
        units: str = "ppm",
        weights: str | None = None,
        **selection: Unpack[Selection],
    ) -> pd.DataFrame:
        """Return the background of every simulation: a field's value where its particles end.

        The field is interpolated to the time, place and pressure of each end, and averaged with
        the weights of the footprint's transforms (:func:`stilt.background.background_of`); a
        transform of your own weights as of the release, by the first row of each particle.

        Args:
            field: an xarray Dataset or DataArray, NetCDF files (a path, a pattern, or several) of
                CarbonTracker, a CAMS inversion, CarboScope or in CF layout, or a curtain as a
                table (:func:`stilt.background.curtain`).
            variable: of the dataset, where it has several mole fractions.
            field_units: of the field, where it does not say.
            units: of the result.
            weights: name of the footprint whose transforms weight the particles; None where all
                have the same.
            **selection: which simulations.

        Returns:
            Index = simulation id; time, background, background_std (over the particles), weight,
            age_h, left, longitude and latitude of the mean end. ``attrs`` has the units. NaN, with
            a warning, where the weights of the particles add up to 0 or are not numbers.

        Raises:
            UsageError: the field is not understood, a particle ends outside it, or nothing is
                selected.
        """
        from stilt.answers.background import background

        return background(
            self, field, selection, variable=variable, field_units=field_units, units=units,
            weights=weights,
        )  # fmt: skip

    def timeseries(
        self: ModelWithObservations,
        fluxes: Mapping[str, xr.DataArray] | xr.Dataset | xr.DataArray,
        *,
        background: Any = None,
        observed: pd.DataFrame | pd.Series | None = None,
        name: str | None = None,
        units: str = "ppm",
        molar_mass_g: float | None = None,
        projection: str | None = None,
        site: str | None = None,
        **selection: Unpack[Selection],
    ) -> xr.Dataset:
        """Return the enhancement by each flux at every receptor, with background and observations.

        Args:
            fluxes: by sector, each on its own grid and with its own units: hourly, monthly or any
                other ``time`` (each stamp holds until the next), diurnal (``hour`` 0 to 23 UTC),
                by ``month`` (1 to 12), both, or constant. Signed: uptake is negative.
            background: what :meth:`background` returned, a Series or a one-dimensional DataArray
                by simulation id, or a number. Its units are those of its column ``units``, else
                of its ``attrs["units"]``; a Series without any, or a number, must be in
                ``units``, and a table without any is refused.
            observed: measurements by receptor id: a Series of values, or value and, if there,
                uncertainty and units (else ``attrs["units"]``, else those of the result); None
                takes :attr:`observations`.
            name: of the footprint; needed where there are several.
            units: of the result, such as ``ppm`` or ``ppb``.
            molar_mass_g: grams per mole, for fluxes of mass.
            projection: PROJ text of x and y of fluxes that do not carry their own.
            site: label of the receptors, or ``location``: makes the dimensions site and time.
            **selection: which simulations.

        Returns:
            Dataset along ``receptor`` (ids of simulations with this footprint, in order of time;
            how many have none is logged) and ``component``:
            enhancement, outside_share, total, and as given background, modelled, observed,
            observed_uncertainty, residual; coordinates time, place and the receptors' labels.

        Raises:
            UsageError: nothing is selected, a flux cannot be used, a background is missing, or a
                measurement has no units.
        """
        from stilt.answers.timeseries import timeseries

        return timeseries(
            self, fluxes, selection, stored=self.observations, background=background,
            observed=observed, footprint=name, units=units, molar_mass_g=molar_mass_g,
            projection=projection, site=site,
        )  # fmt: skip

    def uncertainty(
        self: ModelWithObservations,
        fluxes: Mapping[str, xr.DataArray] | xr.Dataset | xr.DataArray,
        *,
        weights: str | None = None,
        units: str = "ppm",
        molar_mass_g: float | None = None,
        **selection: Unpack[Selection],
    ) -> xr.Dataset:
        """Return the uncertainty of enhancements: particle noise, and error of the transport.

        Transport variance is the variance of the enhancement over the particles of the error run
        minus that over the main run's particles (Lin and Gerbig 2005, doi:10.1029/2004GL021127).
        Particles meet fluxes wherever they are: a footprint's grid, smoothing and time layers play
        no part, so the mean is not the enhancement of :meth:`timeseries` where fluxes or paths
        reach beyond the grid.

        Args:
            fluxes: as for :meth:`timeseries`.
            weights: name of the footprint whose transforms weight the particles; None where all
                have the same.
            units: of the result.
            molar_mass_g: grams per mole, for fluxes of mass.
            **selection: which simulations; their trajectories must be kept.

        Returns:
            Dataset along ``receptor`` and ``component`` (the fluxes and ``total``): enhancement
            (mean over particles), particle_noise (its standard error), transport_variance with
            transport_variance_noise (its standard error), and transport_error (the root; 0 where
            the difference is negative, NaN without an error run).

        Raises:
            UsageError: there are no particles, or a flux cannot be used.
        """
        from stilt.answers.uncertainty import uncertainty

        return uncertainty(
            self, fluxes, selection, weights=weights, units=units, molar_mass_g=molar_mass_g
        )

    def export(
        self: ModelWithObservations,
        folder: PathLike,
        layout: str,
        *,
        name: str | None = None,
        site: str | None = None,
        domain: str | None = None,
        species: str = "inert",
        period: str = "1 hour",
        **selection: Unpack[Selection],
    ) -> list[Path]:
        """Write footprints in the layout of another program.

        Args:
            folder: where to write.
            layout: ``openghg`` or ``paris``, which are one (OpenGHG's ``source_format="paris"``),
                or ``ct-lagrange`` (one file a receptor).
            name: of the footprints; needed where there are several.
            site, domain: in the files' names, for openghg and paris. Of receptors with labels
                ``site``, those of this one are taken, unless ``location_ids`` are given.
            species: gas; ``co2`` adds influence by hours back.
            period: averaging period of a measurement.
            **selection: which simulations, of one site.

        Returns:
            The files.

        Raises:
            UsageError: an unknown layout, several meteorologies, a projected or summed footprint,
                particles that were not kept, a site or domain is missing, or receptors of several
                sites or of none that has the name.
        """
        from stilt.answers.export import export
        from stilt.exchange.openghg import ExportNames

        chosen = selection.get("mets") or self.config.simulated_mets
        mets = [chosen] if isinstance(chosen, str) else list(chosen)
        if len(mets) != 1:
            raise UsageError(
                "These files are of one meteorology, or one realization of it: choose with --met "
                f"(mets= in Python) one of {', '.join(mets)}."
            )
        names = None
        if site is not None and domain is not None:
            names = ExportNames(site, domain, species, mets[0], period=period)
        return export(self, folder, layout, selection, footprint=name, names=names)

    def ends(self: ModelWithObservations, **selection: Unpack[Selection]) -> pd.DataFrame:
        """Return where and when every particle ended, by age or by leaving the weather's domain.

        Args:
            **selection: which simulations.

        Returns:
            Index = simulation id and particle; datetime (naive UTC), age_h, left, long, lati, and
            zagl, pres and zsfc where they were kept.
        """
        from stilt.answers.background import ends

        return ends(self, selection)
