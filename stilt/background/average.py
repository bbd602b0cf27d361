"""The mean background of a receptor's particles, weighted as its footprint is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.background.ends import ends_of
from stilt.background.field import BackgroundField, Floats, Points
from stilt.config.transforms import FirstOrderLifetime
from stilt.errors import UsageError
from stilt.transforms import ParticleTransform, apply_transforms

if TYPE_CHECKING:
    from stilt.receptors import Receptor

Transforms = Sequence[ParticleTransform | Mapping[str, Any]]


def end_weights(
    particles: pd.DataFrame,
    receptor: Receptor,
    transforms: Transforms,
    *,
    heights_msl: bool | None = None,
) -> tuple[Floats, Floats]:
    """Return each particle's weight and the share of the gas that survived, at its end.

    Args:
        particles: the table, or its first and last rows.
        receptor: their receptor.
        transforms: those of the footprint. A first-order lifetime acts with the age at the end;
            all others weight.
        heights_msl: as for :func:`stilt.transforms.apply_transforms`.

    Returns:
        Weights that are 1 on average where nothing weights, and survival, by ascending indx.
    """
    plain = particles.drop(
        columns=[name for name in particles.columns if str(name).startswith("foot")]
    ).assign(foot=1.0)
    weighting = [each for each in transforms if not _is_lifetime(each)]
    found = []
    for chosen in (weighting, [each for each in transforms if _is_lifetime(each)]):
        done = apply_transforms(plain, chosen, receptor=receptor, heights_msl=heights_msl)
        elapsed = done["time"].abs().to_numpy()
        order = np.lexsort((elapsed, done["indx"].to_numpy()))
        last = done.iloc[order].drop_duplicates("indx", keep="last")
        found.append(last["foot"].to_numpy(np.float64))
    return found[0], found[1]


def _is_lifetime(transform: Any) -> bool:
    if isinstance(transform, Mapping):
        return transform.get("kind") == "first_order_lifetime"
    return isinstance(transform, FirstOrderLifetime)


def background_of(
    particles: pd.DataFrame,
    receptor: Receptor,
    field: BackgroundField,
    *,
    n_hours: float,
    transforms: Transforms = (),
    heights_msl: bool | None = None,
) -> dict[str, float]:
    """Return the mean of a field over the ends of a receptor's particles.

    b = Σ wᵢ sᵢ c(xᵢ, tᵢ) / Σ wᵢ over particles i, with the weights w of the footprint's transforms
    and the share s that a lifetime leaves at the age of the end (Lin et al. 2003,
    doi:10.1029/2002JD003161, section 2; a constant field gives the constant, whatever the weights).
    ``weight`` is the mean of w: of a column with kernel and pressure weighting the part of the
    measured column that its particles stand for, so that weight × background is what they
    contribute.

    Args:
        particles: the table, or its first and last rows, with pres where the field has pressures
            and zagl and zsfc where it has altitudes.
        receptor: their receptor.
        field: the mole fraction.
        n_hours: how long particles are followed.
        transforms: as for :func:`end_weights`.
        heights_msl: as for :func:`end_weights`.

    Returns:
        background and background_std (standard deviation over particles) in the field's unit,
        weight, age_h (mean age at the end), left (share of particles that left the weather's
        domain), longitude and latitude of the mean end.

    Raises:
        UsageError: a particle ends outside the field, or the table lacks a column.
    """
    ends = ends_of(particles, receptor, n_hours)
    weight, survival = end_weights(particles, receptor, transforms, heights_msl=heights_msl)
    values = field.at(points_of(ends, field)) * survival
    share = weight / weight.sum()
    mean = float(share @ values)
    east = np.radians(ends["long"].to_numpy())
    middle = np.degrees(np.arctan2(share @ np.sin(east), share @ np.cos(east)))
    return {
        "background": mean,
        "background_std": float(np.sqrt(max(share @ (values - mean) ** 2, 0.0))),
        "weight": float(weight.mean()),
        "age_h": float(share @ ends["age_h"].to_numpy()),
        "left": float(share @ ends["left"].to_numpy(np.float64)),
        "longitude": float(middle),
        "latitude": float(share @ ends["lati"].to_numpy()),
    }


def points_of(ends: pd.DataFrame, field: BackgroundField) -> Points:
    """Return the ends of particles as points of a field.

    Raises:
        UsageError: the particle table lacks what the field's vertical coordinate needs.
    """
    layout = field.source.layout
    vertical = np.full(len(ends), np.nan)
    if layout.vertical is not None:
        needed = ("zagl", "zsfc") if layout.by_altitude else ("pres",)
        missing = [name for name in needed if name not in ends]
        if missing:
            raise UsageError(
                f"The field needs the particle column(s) {', '.join(missing)}: add them to "
                "varsiwant and run again."
            )
        vertical = ends[list(needed)].sum(axis=1).to_numpy(np.float64)
    return Points(
        ends["datetime"].to_numpy("datetime64[ns]"),
        ends["long"].to_numpy(np.float64),
        ends["lati"].to_numpy(np.float64),
        vertical,
    )
