"""The map projection that an xarray grid carries in CF manner, and the unit of its x and y."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilt.errors import UsageError
from stilt.footprint.cell_grid import coordinate_system
from stilt.meteorology.grid_mapping import crs_of

if TYPE_CHECKING:
    import xarray as xr

_TEXTS = ("crs_wkt", "spatial_ref", "proj4_params")


def named_mappings(variable: xr.DataArray) -> list[str]:
    """Return the variable that a variable says describes its projection: one name, or none."""
    text = variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping") or ""
    return str(text).replace(":", " ").split()[:1]


def own_projection(grid: xr.DataArray | xr.Dataset, called: str) -> str | None:
    """Return the projection that a grid carries, as text for PROJ, None where it carries none.

    A mapping that does not state the figure of the Earth has the sphere of HYSPLIT, as in weather
    files.

    Args:
        grid: the variable that ``grid_mapping`` names counts, else the only one that describes a
            projection.
        called: what the grid is, for sentences.

    Raises:
        UsageError: the grid does not carry the variable that it names, or it is not understood.
    """
    import xarray as xr

    variables = grid.data_vars.values() if isinstance(grid, xr.Dataset) else (grid,)
    known = {*grid.coords, *(grid.data_vars if isinstance(grid, xr.Dataset) else ())}
    named = next((name for each in variables for name in named_mappings(each)), "")
    if named and named not in known:
        raise UsageError(
            f"The {called} is on the projection that {named!r} describes, a variable of its file "
            "that did not come with it: open the file with xarray.open_dataset(path, "
            "decode_coords='all'), or give projection=."
        )
    if named:
        return described_projection(grid[named].attrs, named, called)
    describing = sorted(str(each) for each in known if describes(grid[each].attrs))
    if not describing:
        return None
    usual = (each for each in ("crs", "spatial_ref") if each in describing)
    name = next(usual, describing[0])
    return described_projection(grid[name].attrs, name, called)


def units_per_step(units: str, axis: str, projection: str, called: str) -> float:
    """Return by what the values of a map's axis are multiplied to be in the projection's unit.

    Args:
        units: of the axis; "" is the projection's.
        axis: its name.
        projection: PROJ text, not of longitude and latitude.
        called: what the grid is, for sentences.

    Raises:
        UsageError: the axis is in a unit that is not one of length.
    """
    from cf_units import Unit

    given = units.strip()
    axes = coordinate_system(projection).axis_info
    if not given or not axes or given == axes[0].unit_name:
        return 1.0
    try:
        metres = float(Unit(given).convert(1.0, Unit("m")))
    except ValueError:
        raise UsageError(
            f"The {called}'s {axis} is in {given!r}, which is no unit of length, and the "
            f"projection counts in {axes[0].unit_name}: correct its attribute units."
        ) from None
    factor: float = metres / axes[0].unit_conversion_factor
    return factor


def describes(attrs: Mapping[str, Any]) -> bool:
    """Return whether attributes are those of a grid mapping."""
    return "grid_mapping_name" in attrs or any(attrs.get(name) for name in _TEXTS)


def described_projection(attrs: Mapping[str, Any], name: str, called: str) -> str:
    """Return the projection that the attributes of a grid mapping describe, as text for PROJ.

    Args:
        attrs: by CF, or with the whole as text.
        name: of the variable.
        called: what the grid is, for sentences.

    Raises:
        UsageError: they are not understood, or are of a rotated pole.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    text = next((str(attrs[each]) for each in _TEXTS if attrs.get(each)), "")
    try:
        crs = CRS.from_user_input(text) if text else crs_of(attrs)
    except (CRSError, KeyError, ValueError, TypeError) as error:
        kind = attrs.get("grid_mapping_name", "without grid_mapping_name")
        reason = " ".join(str(error).split())
        raise UsageError(
            f"The {called}'s projection {name!r} ({kind}) is not understood ({reason}): correct "
            "its attributes, or give projection= as PROJ text."
        ) from error
    if crs.is_geographic and crs.is_derived:
        raise UsageError(
            f"The {called} is on a grid about a rotated pole ({name!r}): regrid it to longitude "
            "and latitude (conserving its sum)."
        )
    return text or str(crs.to_wkt())
