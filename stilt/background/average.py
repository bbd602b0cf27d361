"""The mean background of a receptor's particles, weighted as its footprint is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stilt.background.ends import ends_of, first_and_last
from stilt.background.field import BackgroundField, Points
from stilt.background.nodes import Floats
from stilt.background.vertical import Kind
from stilt.config.transforms import FirstOrderLifetime, ImportedTransform, TypedTransform
from stilt.errors import UsageError
from stilt.transforms import ParticleTransform, apply_transforms

if TYPE_CHECKING:
    from stilt.receptors import Receptor

COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "pressure": ("pres",),
    "altitude": ("zagl", "zsfc"),
    "height": ("zagl",),
}
"""Columns of the particle table that add up to a field's vertical coordinate."""

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
        transforms: those of the footprint. A first-order lifetime acts with the age at the end,
            and a user's own transform weights as of the release: what it makes of the first row of
            each particle. All others weight as of the end.
        heights_msl: as for :func:`stilt.transforms.apply_transforms`.

    Returns:
        Weights that are 1 on average where nothing weights, and survival, by ascending indx.
    """
    ends = first_and_last(particles)
    plain = ends.drop(
        columns=[name for name in ends.columns if str(name).startswith("foot")]
    ).assign(foot=1.0)
    kinds = [_kind(each) for each in transforms]
    at_ends = {keep: _rows(plain, keep) for keep in ("first", "last")}
    found = []
    for kind in ("own", "weight", "lifetime"):
        chosen = [each for each, its in zip(transforms, kinds, strict=True) if its == kind]
        done = apply_transforms(plain, chosen, receptor=receptor, heights_msl=heights_msl)
        wanted = at_ends["first" if kind == "own" else "last"]
        left = done.set_index(["indx", "time"])["foot"]
        # A row that a transform leaves out has no influence.
        found.append(
            left[~left.index.duplicated()].reindex(wanted, fill_value=0.0).to_numpy(np.float64)
        )
    own, weight, survival = found
    return own * weight, survival


def _rows(ends: pd.DataFrame, keep: Any) -> pd.MultiIndex:
    """Return indx and time of each particle's first or last row, by ascending indx."""
    return pd.MultiIndex.from_frame(ends.drop_duplicates("indx", keep=keep)[["indx", "time"]])


def _kind(transform: Any) -> str:
    """Return whether a transform is a lifetime, a user's own, or weights in a way known here."""
    if isinstance(transform, Mapping):
        name = transform.get("kind")
        return {"first_order_lifetime": "lifetime", "import": "own"}.get(str(name), "weight")
    if isinstance(transform, FirstOrderLifetime):
        return "lifetime"
    is_known = isinstance(transform, TypedTransform) and not isinstance(
        transform, ImportedTransform
    )
    return "weight" if is_known else "own"


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
        particles: the table, or its first and last rows, with pres where the field has pressures,
            zagl where it has heights above ground, and zsfc too where it has altitudes.
        receptor: their receptor.
        field: the mole fraction.
        n_hours: how long particles are followed.
        transforms: as for :func:`end_weights`.
        heights_msl: as for :func:`end_weights`.

    Returns:
        background and background_std (standard deviation over particles) in the field's unit,
        weight, age_h (mean age at the end), left (share of particles that left the weather's
        domain), longitude and latitude of the mean end; all but ``weight`` are NaN, with a
        warning, where the weights add up to 0 or are not numbers.

    Raises:
        UsageError: a particle ends outside the field, or the table lacks a column.
    """
    found = mean_of_ends(
        particles, receptor, field, n_hours=n_hours, transforms=transforms, heights_msl=heights_msl
    )
    if np.isnan(found["background"]):
        warnings.warn(said_of_no_weight([str(receptor.id)], 1), stacklevel=2)
    return found


def said_of_no_weight(names: Sequence[str], count: int) -> str:
    """Say which simulations have no background, because their particles have no weight.

    Args:
        names: theirs.
        count: how many were asked for.
    """
    return (
        f"The background of {len(names)} of {count} simulations is NaN, {names[0]} for example: "
        "the footprint's transforms give their particles weights that add up to 0 or are not "
        "numbers. Change the transform, or choose a footprint that has others with weights=."
    )


def mean_of_ends(
    particles: pd.DataFrame,
    receptor: Receptor,
    field: BackgroundField,
    *,
    n_hours: float,
    transforms: Transforms = (),
    heights_msl: bool | None = None,
) -> dict[str, float]:
    """Return what :func:`background_of` does, without its warning."""
    ends = ends_of(particles, receptor, n_hours)
    weight, survival = end_weights(particles, receptor, transforms, heights_msl=heights_msl)
    values = field.at(points_of(ends, field)) * survival
    total = weight.sum()
    share = weight / total if total != 0.0 else np.full_like(weight, np.nan)
    mean = float(share @ values)
    east = np.radians(ends["long"].to_numpy())
    middle = np.degrees(np.arctan2(share @ np.sin(east), share @ np.cos(east)))
    return {
        "background": mean,
        "background_std": float(np.sqrt(np.maximum(share @ (values - mean) ** 2, 0.0))),
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
    levels = field.source.layout.levels
    vertical = np.full(len(ends), np.nan)
    if levels is not None:
        needed = COLUMNS[levels.kind]
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
