"""Extra steps in the first 100 minutes, where fast particles would jump over grid cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from stilt.footprint.steps import Floats, ParticleSteps, repeated_list

EARLY_MINUTES = 100.0
WINDOWS = ((-np.inf, 10.0), (10.0, 20.0), (20.0, 100.0))
TARGET_MINUTES: Floats = np.concatenate(
    [
        np.arange(0, 101) / 10.0,
        np.arange(51, 101) / 5.0,
        np.arange(41, 201) / 2.0,
    ]
)


def needs_densifying(steps: ParticleSteps, xres: float, yres: float) -> bool:
    """Return whether the typical early step is longer than a cell in either direction."""
    early = _early(steps)
    period = repeated_list(early.particle)
    axes = ((early.x, xres), (early.y, yres))
    longer = [_is_longer(at, period, length) for at, length in axes]
    if None not in longer or True in longer:
        return True in longer
    dx, dy = _typical(early)
    return bool(dx > xres or dy > yres)


def _early(steps: ParticleSteps) -> ParticleSteps:
    """Return the rows of the first 100 minutes, from the release outwards."""
    elapsed = np.abs(steps.time_min[steps.runs[:-1]])
    within = np.flatnonzero(elapsed < EARLY_MINUTES)
    if within.size and np.all(np.diff(within) == 1) and np.all(np.diff(elapsed[within]) > 0):
        return steps.take(slice(int(steps.runs[within[0]]), int(steps.runs[within[-1] + 1])))
    elapsed = np.abs(steps.time_min)
    early = np.flatnonzero(elapsed < EARLY_MINUTES)
    return steps.take(early[np.argsort(elapsed[early], kind="stable")])


def _is_longer(positions: Floats, period: int, length: float) -> bool | None:
    """Return whether the typical step is longer than a length, by counting, without medians.

    Args:
        positions: along one axis, of rows in order of time.
        period: rows after which the same particles repeat.
        length: in units of the positions.

    Returns:
        None where counting cannot decide: a median lies between a longer and a shorter step.
    """
    if period == positions.size:
        return None
    moves = _moves(positions.reshape(-1, period), axis=0)
    if np.isnan(moves).any():
        return None
    longer = 2 * np.count_nonzero(moves > length, axis=0)
    surely = np.count_nonzero(longer > moves.shape[0])
    perhaps = np.count_nonzero(longer >= moves.shape[0])
    if 2 * surely > period:
        return True
    return False if 2 * perhaps < period else None


def _typical(early: ParticleSteps) -> tuple[float, float]:
    """Return the medians |dx| and |dy| of rows in order of time."""
    period = repeated_list(early.particle)
    if period < len(early) and not np.isnan(early.x).any() and not np.isnan(early.y).any():
        moves = np.stack([_moves(at.reshape(-1, period).T) for at in (early.x, early.y)])
        # Sorting is faster than the partition that np.median asks for.
        moves.sort(axis=2)
        last = moves.shape[2] - 1
        typical = np.median(0.5 * (moves[..., last // 2] + moves[..., -(-last // 2)]), axis=1)
    else:
        typical = _typical_of_any(early)
    return float(typical[0]), float(typical[1])


def _moves(positions: Floats, axis: int = -1) -> Floats:
    """Return the lengths of the steps between neighbours along an axis."""
    return np.abs(np.diff(positions.astype(np.float64, order="C"), axis=axis))


def _typical_of_any(early: ParticleSteps) -> Floats:
    """Return medians |dx| and |dy| of steps in order of time, whatever particle they belong to."""
    order = np.argsort(early.particle, kind="stable")
    particle = early.particle[order]
    same = particle[1:] == particle[:-1]
    if not same.any():
        return np.full(2, np.nan)
    moves = {name: _moves(getattr(early, name)[order])[same] for name in ("x", "y")}
    return pd.DataFrame(moves).groupby(particle[1:][same]).median().median().to_numpy()


def densify(steps: ParticleSteps) -> ParticleSteps:
    """Insert interpolated rows at 311 fixed times of the first 100 minutes.

    Position and influence are linear in time between a particle's own rows; nothing is
    extrapolated. Influence is then scaled so that the totals over |t| <= 10, (10, 20] and
    (20, 100] minutes are what they were. Missing values of a particle's own rows are filled in the
    same way; rows that still hold NaN are dropped. Times are rounded to 0.1.
    """
    steps = replace(steps, particle=steps.numbers)
    rows = np.flatnonzero(np.abs(steps.time_min) <= EARLY_MINUTES)
    elapsed, before = np.abs(steps.time_min[rows]), steps.foot[rows]
    early, after, late = _split(_filled(steps))
    inserted = _interpolate(_joined(early, after), steps.direction() * TARGET_MINUTES)
    dense = _whole(_joined(early, inserted))
    tenths = np.rint(np.abs(dense.time_min) * 10.0).astype(np.uint16)
    dense = dense.take(np.argsort(tenths, kind="stable"))
    foot = dense.foot
    elapsed_dense = np.abs(dense.time_min)
    for low, high in WINDOWS:
        old = np.nansum(before[(elapsed > low) & (elapsed <= high)], dtype=np.float64)
        window = (elapsed_dense > low) & (elapsed_dense <= high)
        new = foot[window].sum()
        if new != 0:
            foot[window] *= old / new
    return _joined(dense, _whole(late))


def _filled(steps: ParticleSteps) -> ParticleSteps:
    """Fill missing values of the steps from the particle's own rows on either side."""
    elapsed = np.abs(steps.time_min)
    columns = {}
    for name in ("x", "y", "foot"):
        values = getattr(steps, name)
        missing = np.isnan(values)
        if not missing.any():
            continue
        columns[name] = values = values.astype(np.float64)
        for particle in np.unique(steps.particle[missing]):
            rows = np.flatnonzero(steps.particle == particle)
            rows = rows[np.argsort(elapsed[rows], kind="stable")]
            known, gaps = rows[~missing[rows]], rows[missing[rows]]
            if known.size:
                found = np.interp(elapsed[gaps], elapsed[known], values[known], np.nan, np.nan)
                values[gaps] = found
    return replace(steps, **columns)


def _split(steps: ParticleSteps) -> tuple[ParticleSteps, ParticleSteps, ParticleSteps]:
    """Return the early rows, each particle's first later row, and all later rows."""
    elapsed = np.abs(steps.time_min)
    is_early = np.round(elapsed, 1) <= EARLY_MINUTES
    late = np.flatnonzero(~is_early)
    if np.any(np.diff(elapsed[late]) < 0):
        late = late[np.argsort(elapsed[late], kind="stable")]
    first = np.full(int(steps.particle.max()) + 1, -1)
    first[steps.particle[late[::-1]]] = late[::-1]
    early = steps.take(np.flatnonzero(is_early))
    return early, steps.take(first[first >= 0]), steps.take(late)


def _joined(*parts: ParticleSteps) -> ParticleSteps:
    """Return rows of all parts, in double precision."""
    floats = ("time_min", "x", "y", "foot")
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts], dtype=np.float64)
        for name in floats
    }
    return ParticleSteps(particle=np.concatenate([part.particle for part in parts]), **columns)


def _whole(steps: ParticleSteps) -> ParticleSteps:
    """Return rows without NaN, their times rounded to 0.1."""
    missing = np.isnan(steps.x + steps.y + steps.foot)
    if missing.any():
        steps = steps.take(~missing)
    return replace(steps, time_min=np.round(steps.time_min, 1))


def _interpolate(steps: ParticleSteps, targets: Floats) -> ParticleSteps:
    """Return rows at ``targets`` inside each particle's own time range where it has no row yet."""
    steps = steps.take(np.lexsort((np.abs(steps.time_min), steps.particle)))
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
