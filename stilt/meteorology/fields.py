"""Names of the met fields of a prepared analysis, in the order in which its arrays hold them."""

from __future__ import annotations

COLUMN_FIELDS = (
    "vertical",
    "wind_x",
    "wind_y",
    "pressure_hpa",
    "dry_density",
    "dry_mass",
    "variance_x",
    "variance_y",
)
"""On every level; last axis of :attr:`stilt.meteorology.prepare.PreparedAnalysis.column`."""

TURBULENCE_FIELDS = ("sigma_w_m_s", "time_scale_s")
"""On every level; last axis of :attr:`stilt.meteorology.prepare.PreparedAnalysis.turbulence`."""

AIR_FIELDS = ("temperature_k", "humidity_fraction", "mass_flux_divergence")
"""On every level; last axis of :attr:`stilt.meteorology.prepare.PreparedAnalysis.air`."""

SURFACE_FIELDS = (
    "terrain_m",
    "mixed_layer_height_m",
    "lowest_temperature_k",
    "sensible_heat_w_m2",
    "latent_heat_w_m2",
    "total_cloud",
    "low_cloud",
    "short_wave_w_m2",
    "rain_m_min",
    "convective_rain_m_min",
)
"""At the ground; last axis of :attr:`stilt.meteorology.prepare.PreparedAnalysis.surface`."""


def slice_of(fields: tuple[str, ...], *names: str) -> slice:
    """Return where some fields stand in a list, which are read together.

    Args:
        fields: the list.
        names: fields that follow one another in it, in its order.

    Raises:
        ValueError: a name is unknown, or the names do not follow one another.
    """
    first = fields.index(names[0]) if names[0] in fields else len(fields)
    found = slice(first, first + len(names))
    if fields[found] != names:
        raise ValueError(f"{', '.join(names)} do not follow one another in {', '.join(fields)}.")
    return found
