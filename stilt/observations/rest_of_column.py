"""The part of a measured column that a simulation does not model, from the retrieval's prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stilt.errors import UsageError

if TYPE_CHECKING:
    from stilt.observations.soundings import Soundings

Floats = NDArray[np.float64]

NEEDED = ("ak_pressure_hpa", "ak", "apriori")
LAYERS = 1000
# A prior and the value that is retrieved from it differ by less.
PLAUSIBLE_RATIO = 100.0


def rest_of_column(
    soundings: Soundings, modelled_share: ArrayLike, *, weight: ArrayLike | None = None
) -> Floats:
    """Return what a column value holds besides the modelled air: the prior, by layer.

    A retrieval reports Σ hᵢ (x̂ᵢ + aᵢ (xᵢ − x̂ᵢ)) of the air's profile x, with the kernel a, the
    prior x̂ and the share h of each layer in the column's air (Rodgers and Connor 2003,
    doi:10.1029/2002JD002299). Particles released from the ground up model Σ hᵢ aᵢ xᵢ of the lower
    layers. The rest, where x above them is taken to be the prior, is Σ hᵢ (1 − bᵢ aᵢ) x̂ᵢ, with b 1
    in the modelled layers and 0 above. Kernel and prior are linear in pressure between their
    levels and constant beyond; h is the pressure across a layer over the surface pressure.

    The ground of the weather is not quite that of the retrieval, so that the particles' Σ hᵢ aᵢ is
    another one. With their ``weight`` the rest is Σ hᵢ x̂ᵢ less the weight times the mean of the
    prior in the modelled layers: modelled air that is the prior's then gives the prior's column.

    Args:
        soundings: with kernel, prior and surface pressure.
        modelled_share: of the column's air that is modelled, from the ground up: (surface pressure
            − pressure at the top of the release) / surface pressure, the sum of
            :func:`stilt.transforms.pressure_weights`; a number, or one for each sounding.
        weight: of the modelled air by kernel and pressure, as ``model.background`` returns it; a
            number, or one for each sounding. None: Σ hᵢ bᵢ aᵢ.

    Share and weight are taken in the order of the soundings. Where both are series, their labels
    must be the same in the same order, such as ids of simulations.

    Returns:
        In the unit of the soundings' values, shape (soundings,); NaN without kernel or prior.

    Raises:
        UsageError: profiles or surface pressures are missing, the prior is in another unit than the
            values, a share is not from 0 to 1, there is not one value for each sounding, or labels
            differ.
    """
    lacking = [name for name in NEEDED if name not in soundings.profiles]
    if "surface_pressure_hpa" not in soundings.table:
        lacking.append("surface_pressure_hpa")
    if lacking:
        raise UsageError(
            f"The rest of a column needs {', '.join(lacking)}, which these soundings do not have."
        )
    _require_same_labels(modelled_share, weight)
    shares = _each(modelled_share, "modelled share", len(soundings))
    if not ((shares >= 0.0) & (shares <= 1.0)).all():
        raise UsageError("The modelled share of a column's air must be from 0 to 1.")
    surface = soundings.table["surface_pressure_hpa"].to_numpy(np.float64)
    rows = zip(*(soundings.profiles[name] for name in NEEDED), surface, shares, strict=True)
    parts = np.array([_parts(*row) for row in rows], dtype=np.float64).reshape(-1, 3)
    whole, modelled, of_kernel = parts.T
    _require_one_unit(soundings.table["value"].to_numpy(np.float64), whole)
    if weight is None:
        return whole - modelled
    weights = _each(weight, "weight", len(soundings))
    mean = np.divide(modelled, of_kernel, out=np.zeros_like(modelled), where=of_kernel != 0.0)
    rest: Floats = whole - weights * mean
    return rest


def _each(values: ArrayLike, what: str, count: int) -> Floats:
    """Return one number for each sounding.

    Raises:
        UsageError: there are others.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.shape not in ((), (1,), (count,)):
        raise UsageError(
            f"The {what} must be a number, or one for each of the {count} soundings, in their "
            f"order: got {numbers.size}."
        )
    return np.broadcast_to(numbers, (count,))


def _require_one_unit(values: Floats, priors: Floats) -> None:
    """Refuse priors that cannot be in the unit of the values.

    Raises:
        UsageError: they are a hundred times as large, or as small.
    """
    known = np.isfinite(values) & np.isfinite(priors) & (values != 0.0) & (priors != 0.0)
    if not known.any():
        return
    value, prior = (float(np.median(np.abs(each[known]))) for each in (values, priors))
    if not 1.0 / PLAUSIBLE_RATIO < prior / value < PLAUSIBLE_RATIO:
        raise UsageError(
            f"The profile 'apriori' is about {prior:g} and the values are about {value:g}: give "
            "the prior in the unit of the values."
        )


def _require_same_labels(share: ArrayLike, weight: ArrayLike | None) -> None:
    """Refuse two series whose rows belong to different simulations.

    Raises:
        UsageError: a label differs.
    """
    if not (isinstance(share, pd.Series) and isinstance(weight, pd.Series)):
        return
    if share.index.equals(weight.index):
        return
    one, other = share.index.astype(str), weight.index.astype(str)
    pairs = zip(one, other, strict=False)
    row = next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    texts = [index[row] if row < len(index) else "nothing" for index in (one, other)]
    raise UsageError(
        f"The modelled share and the weight are of different rows: row {row} is {texts[0]} in the "
        f"one and {texts[1]} in the other. Put both in the order of the soundings "
        "(.loc[simulations])."
    )


def _parts(
    pressure: Floats, kernel: Floats, prior: Floats, surface_hpa: float, share: float
) -> tuple[float, float, float]:
    """Return the sums of h prior, h b a prior and h b a, over equal layers of pressure."""
    known = np.isfinite(pressure) & np.isfinite(kernel) & np.isfinite(prior)
    if not known.any() or not np.isfinite(surface_hpa):
        return np.nan, np.nan, np.nan
    order = np.argsort(pressure[known])
    levels = pressure[known][order]
    # Share of the air below each layer, from the ground up.
    below = np.arange(LAYERS) / LAYERS
    middle = surface_hpa * (1.0 - below - 0.5 / LAYERS)
    a = np.interp(middle, levels, kernel[known][order])
    x = np.interp(middle, levels, prior[known][order])
    counted = a * ((share - below) * LAYERS).clip(0.0, 1.0)
    return float(x.mean()), float((counted * x).mean()), float(counted.mean())
