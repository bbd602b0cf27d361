"""What modelled enhancements are compared with: background and observations."""

from __future__ import annotations

import warnings
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from stilt.background.mole_fractions import unit_factor
from stilt.errors import UsageError
from stilt.fill_values import is_fill
from stilt.project.kernels import KernelTable
from stilt.project.unused_kernels import unused_kernels
from stilt.receptors import receptor_of

if TYPE_CHECKING:
    from stilt.config import FootprintConfig
    from stilt.receptors import Receptor
    from stilt.selection import Owner

# Above this difference from 1, the particles are not the whole of what was measured.
TOLERATED_WEIGHT = 0.1
# More than the carbon dioxide of polluted streets; values above are in another unit.
PLAUSIBLE_PPM = 1000.0
# Background and measurements of one gas differ by less.
PLAUSIBLE_RATIO = 100.0


def background_values(given: Any, labels: list[str], units: str) -> np.ndarray:
    """Return backgrounds by simulation, in the requested unit.

    Args:
        given: a table of Model.background, a Series or one-dimensional DataArray by simulation
            id, or a number. Its units are those of a column ``units``, else of its
            ``attrs["units"]``. A Series without any, or a number, is taken to be in ``units``; a
            table without any is refused.
        labels: simulation ids.
        units: of the result.

    Raises:
        UsageError: it is something else, a table has no units or a unit is not understood, or a
            simulation has no background, or two.
    """
    if isinstance(given, Real):
        values = np.full(len(labels), float(given))
        if is_fill(values[:1]).any():
            raise UsageError(
                f"The background {given:g} seems to stand for a missing value: leave it out."
            )
        _tell_if_absurd(values, units, "background")
        return values
    series, told = _series_of(given)
    double = series.index[series.index.duplicated()]
    if len(double):
        raise UsageError(f"The background has more than one value for {double[0]}: keep one.")
    missing = [label for label in labels if label not in series.index]
    if missing:
        raise UsageError(
            f"The background has no value for {len(missing)} of {len(labels)} simulations, "
            f"{missing[0]} for example: compute it for the same selection, or give NaN for those "
            "without one (background.reindex(model.simulations.ids()))."
        )
    told = told.reindex(labels).fillna("")
    without = ((told == "") & series.reindex(labels).notna()).to_numpy()
    if isinstance(given, pd.DataFrame) and without.any():
        raise UsageError(
            "The table of the background has no units, which a file or a merge does not keep: "
            "write them into it, as in background=table.assign(units='ppb')."
        )
    factor = _factors(told, units, "background")
    values = _numbers(series.reindex(labels), "background").to_numpy() * factor
    _tell_if_absurd(values[without], units, "background")
    return values


def _series_of(given: Any) -> tuple[pd.Series, pd.Series]:
    """Return a background by simulation id as given, and its units, "" where it has none."""
    told: Any = getattr(given, "attrs", {}).get("units", "")
    if isinstance(given, pd.DataFrame) and "background" in given:
        told = given.get("units", told)
        given = given["background"]
    elif isinstance(given, xr.DataArray) and given.ndim == 1 and given.dims[0] in given.coords:
        given = given.to_series()
    elif not isinstance(given, pd.Series):
        raise UsageError(
            "background= is what model.background(FIELD) returns, a pandas Series or a "
            "one-dimensional DataArray by simulation id, or a number, not a "
            f"{type(given).__name__}: for a field or its files write "
            "background=model.background(FIELD)."
        )
    units = told if isinstance(told, pd.Series) else pd.Series(told, index=given.index)
    return given, units.fillna("").astype(str).str.strip()


def _factors(told: pd.Series, units: str, what: str) -> np.ndarray:
    """Return the factors from units, "" for the requested one, to the requested one."""
    try:
        known = {each: unit_factor(each, units) if each else 1.0 for each in set(told)}
    except UsageError as error:
        raise UsageError(f"Units of the {what}: {error}") from error
    return told.map(known).to_numpy(np.float64)


def _tell_if_absurd(values: np.ndarray, units: str, what: str, stacklevel: int = 5) -> None:
    """Warn of values without units that, in the requested one, are more than air ever holds."""
    known = np.abs(values[np.isfinite(values)])
    if known.size and known.max() * unit_factor(units, "ppm") > PLAUSIBLE_PPM:
        warnings.warn(
            f"The {what} values have no units and are taken to be in {units} (units=), where "
            f"{known.max():g} is more than the air holds of any trace gas: give their units, as in "
            "series.attrs['units'] = 'ppb'.",
            stacklevel=stacklevel,
        )


def tell_of_scales(background: np.ndarray, observed: np.ndarray, units: str) -> None:
    """Warn where background and measurements cannot be of one gas in one unit.

    Args:
        background, observed: in the same unit, shape (receptors,); NaN where there is none.
        units: theirs.
    """
    both = np.isfinite(background) & np.isfinite(observed) & (background != 0) & (observed != 0)
    if not both.any():
        return
    base, measured = (float(np.median(np.abs(each[both]))) for each in (background, observed))
    if not 1.0 / PLAUSIBLE_RATIO < measured / base < PLAUSIBLE_RATIO:
        warnings.warn(
            f"The background is about {base:g} {units} and the measurements are about "
            f"{measured:g} {units}: they are of different gases, or one of them is in another unit "
            "(a Series without attrs['units'] is taken to be in units=).",
            stacklevel=4,
        )


def observed_values(
    given: Any, labels: list[str], units: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return measured values and their uncertainties by simulation, in the requested unit.

    Args:
        given: a DataFrame with ``value`` and, if there, ``uncertainty`` and ``units``, or a
            Series of values; index = receptor id. Where it has no column ``units``, its
            ``attrs["units"]`` count.
        labels: simulation ids.
        units: of the result, and of values that have none of their own.

    Raises:
        UsageError: it is something else, none of the receptors is in it, or one is there twice.
    """
    told = getattr(given, "attrs", {}).get("units")
    if isinstance(given, pd.Series):
        given = given.to_frame("value")
    receptors = [str(receptor_of(label)) for label in labels]
    example = f"{receptors[0]} for example"
    if not isinstance(given, pd.DataFrame):
        raise UsageError(
            f"observed= is a pandas Series of values by receptor id ({example}), or a DataFrame "
            f"with the column value, not a {type(given).__name__}: model.observations is one."
        )
    if "value" not in given:
        raise UsageError(
            "observed= has no column 'value' with the measurements; it has "
            f"{', '.join(map(str, given.columns)) or 'none'}."
        )
    mine = given[given.index.isin(set(receptors))]
    if mine.empty:
        raise UsageError(
            f"None of the {len(given)} rows of observed= is of a receptor of the series: its index "
            f"must hold receptor ids, {example}."
        )
    if told and "units" not in mine:
        mine = mine.assign(units=told)
    return _in_units(mine, receptors, units)


def stored_values(
    stored: pd.DataFrame, labels: list[str], units: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the same of a project's own measurements; None where it has none.

    Raises:
        UsageError: a value has no unit, or one receptor has several.
    """
    if not len(stored) or "value" not in stored:
        return None
    receptors = [str(receptor_of(label)) for label in labels]
    mine = stored[stored.index.isin(set(receptors))]
    valued = mine[mine["value"].notna()]
    told = valued["units"].fillna("") if "units" in valued else pd.Series("", index=valued.index)
    without = valued.index[told.astype(str).str.strip() == ""]
    if len(without):
        raise UsageError(
            f"The measurement of {without[0]} has no units: give them in a column units, or here, "
            "as in observed=model.observations.assign(units='ppb')."
        )
    return _in_units(mine, receptors, units)


def _in_units(
    mine: pd.DataFrame, receptors: list[str], units: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return values and uncertainties of receptors."""
    if mine.index.has_duplicates:
        twice = mine.index[mine.index.duplicated()][0]
        raise UsageError(
            f"There is more than one observation of {twice}: choose them, as in "
            "observed=model.observations.query('species == \"ch4\"')."
        )
    told = mine["units"] if "units" in mine else pd.Series("", index=mine.index)
    told = told.fillna("").astype(str).str.strip()
    factor = _factors(told, units, "observations")
    values = _numbers(mine["value"], "observations' column value") * factor
    _tell_if_absurd(values[told == ""].to_numpy(np.float64), units, "observed", stacklevel=6)
    sigma = pd.Series(np.nan, index=mine.index)
    if "uncertainty" in mine:
        sigma = _numbers(mine["uncertainty"], "observations' column uncertainty") * factor
    return (
        values.reindex(receptors).to_numpy(np.float64),
        sigma.reindex(receptors).to_numpy(np.float64),
    )


def _numbers(given: pd.Series, of: str) -> pd.Series:
    """Return values as numbers, those that stand for missing ones as NaN, with a warning.

    Raises:
        UsageError: one is a word.
    """
    found = pd.to_numeric(given, errors="coerce").astype(np.float64)
    words = given[found.isna() & given.notna()]
    if len(words):
        raise UsageError(
            f"The {of} holds {words.iloc[0]!r} for {words.index[0]}, which is not a number: where "
            "a value is missing write NaN, as pandas.to_numeric(column, errors='coerce') does."
        )
    fills = found[is_fill(found)]
    if len(fills):
        warnings.warn(
            f"{len(fills)} of {len(found)} numbers of the {of} stand for missing values, such as "
            f"{fills.iloc[0]:g} for {fills.index[0]}, and count as missing.",
            stacklevel=6,
        )
    return found.mask(is_fill(found))


def tell_of_columns(
    owner: Owner, name: str, receptors: list[Receptor], labels: list[str], background: Any
) -> None:
    """Warn where modelled values are not those of the columns that were measured.

    Args:
        owner: the project.
        name: of the footprint.
        receptors: of the series.
        labels: their simulation ids.
        background: as given by the user.
    """
    settings = owner.config.footprints.get(name)
    if settings is not None and _have_kernels(owner, settings, receptors):
        said = unused_kernels(
            owner.files.observations, {name: settings}, f"The footprint {name!r} is not"
        )
        if said:
            warnings.warn(said, stacklevel=4)
    if not isinstance(background, pd.DataFrame) or "weight" not in background:
        return
    weight = background["weight"].reindex(labels)
    far = weight[(weight - 1.0).abs() > TOLERATED_WEIGHT]
    if len(far):
        warnings.warn(
            f"The particles of {len(far)} of {len(labels)} simulations stand for another share of "
            f"what was measured than the whole ({far.iloc[0]:.0%} of {far.index[0]}), so `modelled`"
            " is no value of the measured column: give background=table['weight'] * "
            "table['background'] + ABOVE, with ABOVE what the rest of the column contributes.",
            stacklevel=4,
        )


def _have_kernels(owner: Owner, settings: FootprintConfig, receptors: list[Receptor]) -> bool:
    """Return whether any receptor has a kernel in a table that the footprint does not name."""
    tables = owner.files.observations
    named = {Path(each["table"]).name for each in settings.transforms if each.get("table")}
    paths = [path for name in tables.names() if (path := tables.kernel_path(name)).exists()]
    kernels = [KernelTable(path) for path in paths if path.name not in named]
    return any(table.of(str(each.id)) is not None for table in kernels for each in receptors)
