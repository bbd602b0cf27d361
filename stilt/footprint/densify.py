"""Extra steps in the first 100 minutes, where fast particles would jump over grid cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stilt.footprint.steps import Floats, ParticleSteps

EARLY_MINUTES = 100.0
WINDOWS = ((-np.inf, 10.0), (10.0, 20.0), (20.0, 100.0))
TARGET_MINUTES: Floats = np.concatenate(
    [
        np.arange(0, 101) / 10.0,
        np.arange(51, 101) / 5.0,
        np.arange(41, 201) / 2.0,
    ]
)


def typical_step(steps: ParticleSteps) -> tuple[float, float]:
    """Median over particles of their median |dx| and |dy| per step in the first 100 minutes.

    NaN when no particle has two rows there.
    """
    early = steps.take(np.abs(steps.time_min) < EARLY_MINUTES)
    order = np.lexsort((np.abs(early.time_min), early.particle))
    early = early.take(order)
    same = np.diff(early.particle) == 0
    if not same.any():
        return np.nan, np.nan
    moves = pd.DataFrame(
        {"dx": np.abs(np.diff(early.x))[same], "dy": np.abs(np.diff(early.y))[same]}
    )
    medians = moves.groupby(early.particle[1:][same]).median()
    return float(medians["dx"].median()), float(medians["dy"].median())


def needs_densifying(steps: ParticleSteps, xres: float, yres: float) -> bool:
    """Whether the typical early step is longer than a cell in either direction."""
    dx, dy = typical_step(steps)
    return bool(dx > xres or dy > yres)


def densify(steps: ParticleSteps) -> ParticleSteps:
    """Insert interpolated rows at 311 fixed times of the first 100 minutes.

    Position and influence are linear in time between a particle's own rows; nothing is
    extrapolated. Influence is then scaled so that the totals over |t| <= 10, (10, 20] and
    (20, 100] minutes are what they were. Rows with NaN are dropped; times are rounded to 0.1.
    """
    direction = steps.direction()
    steps = steps.take(np.lexsort((np.abs(steps.time_min), steps.particle)))
    inserted = _interpolate(steps, direction * TARGET_MINUTES)
    joined = ParticleSteps(
        np.round(np.concatenate((steps.time_min, inserted.time_min)), 1).astype(np.float64),
        np.concatenate((steps.particle, inserted.particle)),
        np.concatenate((steps.x, inserted.x)),
        np.concatenate((steps.y, inserted.y)),
        np.concatenate((steps.foot, inserted.foot)),
    )
    joined = joined.take(~np.isnan(joined.x + joined.y + joined.foot))
    foot = joined.foot.copy()
    before, after = np.abs(steps.time_min), np.abs(joined.time_min)
    for low, high in WINDOWS:
        old = np.nansum(steps.foot[(before > low) & (before <= high)])
        window = (after > low) & (after <= high)
        new = foot[window].sum()
        if new != 0:
            foot[window] *= old / new
    return ParticleSteps(joined.time_min, joined.particle, joined.x, joined.y, foot)


def _interpolate(steps: ParticleSteps, targets: Floats) -> ParticleSteps:
    """Rows at ``targets`` inside each particle's own time range where it has no row yet.

    ``steps`` are ordered by particle, then by elapsed time.
    """
    elapsed = np.abs(steps.time_min)
    particles, first, count = np.unique(steps.particle, return_index=True, return_counts=True)
    last = first + count - 1
    # One ascending key for all particles: block number times a span longer than any run.
    span = 2.0 * max(elapsed.max(), EARLY_MINUTES) + 1.0
    block = np.repeat(np.arange(particles.size) * span, count)
    wanted = np.abs(targets)
    which, minute = (
        np.repeat(np.arange(particles.size), wanted.size),
        np.tile(wanted, particles.size),
    )
    inside = (minute >= elapsed[first][which]) & (minute <= elapsed[last][which])
    which, minute = which[inside], minute[inside]
    right = np.searchsorted(block + elapsed, which * span + minute)
    right = right.clip(first[which], last[which])
    fresh = elapsed[right] != minute
    which, minute, right = which[fresh], minute[fresh], right[fresh]
    left = (right - 1).clip(first[which])
    gap = elapsed[right] - elapsed[left]
    share = (minute - elapsed[left]) / np.where(gap == 0, 1.0, gap)

    def between(values: Floats) -> Floats:
        return values[left] + share * (values[right] - values[left])

    return ParticleSteps(
        np.sign(targets.sum()) * minute,
        particles[which],
        between(steps.x),
        between(steps.y),
        between(steps.foot),
    )
