"""Hyper-near-field correction: the shallow plume close to the release dilutes less than its layer.

The formulas are in :mod:`stilt.plume`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stilt.errors import FootprintError
from stilt.footprint.steps import Floats, Ints, small_numbers
from stilt.plume import influenced_height_m, plume_growth_m, plume_influence
from stilt.transforms.release import release_height_agl_m

if TYPE_CHECKING:
    from stilt.receptors import Receptor

NEEDED = ("time", "indx", "foot", "mlht", "dens", "samt", "sigw", "tlgr")
UNCORRECTED = "foot_no_hnf_dilution"
BLOCK_ROWS = 32_768
_MOST_SUMS = 1_000_000


def apply_near_field(
    particles: pd.DataFrame,
    *,
    receptor: Receptor | None,
    veght: float,
    heights_msl: bool | None = None,
) -> pd.DataFrame:
    """Raise ``foot`` where the plume is still shallower than the layer that takes up surface
    fluxes.

    Rows of each particle are taken outwards from the release, whatever their order in the table.
    A table that was corrected before is corrected again from the saved originals.

    Args:
        particles: trajectory table with time, indx, foot, mlht, dens, samt, sigw and tlgr; xhgt
            gives release heights.
        receptor: its altitude is the release height when there is no ``xhgt``.
        veght: fraction of the mixed layer that surface fluxes enter; above 1, m above ground.
        heights_msl: whether release heights are above sea level, overriding the receptor (kmsl).

    Returns:
        A copy with ``foot`` corrected and the original in ``foot_no_hnf_dilution``.

    Raises:
        FootprintError: a column is missing.
        ValueError: neither ``xhgt`` nor a point receptor gives a release height.
    """
    missing = [name for name in NEEDED if name not in particles.columns]
    if missing:
        raise FootprintError(
            f"The near-field correction needs the column(s) {', '.join(missing)}; "
            "add them to varsiwant or set hnf_plume to false."
        )
    original = UNCORRECTED if UNCORRECTED in particles.columns else "foot"
    table = particles.assign(**{UNCORRECTED: particles[original]})
    if table.empty:
        return table.assign(foot=table[UNCORRECTED])
    start = release_height_agl_m(table, receptor, heights_msl=heights_msl)
    return table.assign(foot=_corrected(table, start, veght))


def _corrected(table: pd.DataFrame, start_m: Floats, veght: float) -> np.ndarray:
    """Return influence with the correction, shape (rows,), in the precision of the table.

    Rows are taken outwards in blocks. Those that change nothing are skipped: rows with neither
    influence nor time near the ground, and all later rows of a particle once its plume is deeper
    than any layer of the table.
    """
    foot, samt, mixed = (table[name].to_numpy() for name in (UNCORRECTED, "samt", "mlht"))
    corrected = foot.astype(np.result_type(foot, np.float32))
    elapsed = np.abs(table["time"].to_numpy(np.float64))
    outwards = None if np.all(elapsed[1:] >= elapsed[:-1]) else np.argsort(elapsed, kind="stable")
    particle = small_numbers(table["indx"].to_numpy())
    deepest = influenced_height_m(float(np.fmax.reduce(mixed)), veght)
    grown = np.zeros(int(particle.max()) + 1)
    deep = np.zeros(grown.size, bool)
    for begin in range(0, foot.size, BLOCK_ROWS):
        part = slice(begin, begin + BLOCK_ROWS)
        block = part if outwards is None else outwards[part]
        counts = np.flatnonzero((samt[block] != 0) | (foot[block] != 0))
        rows = counts + begin if outwards is None else outwards[part][counts]
        rows = rows[~deep[particle[rows]]]
        if rows.size == 0:
            continue
        number = particle[rows]
        samt_min, sigma_w, scale_s, density, height = (
            table[name].to_numpy()[rows].astype(np.float64)
            for name in ("samt", "sigw", "tlgr", "dens", "mlht")
        )
        growth = plume_growth_m(samt_min, sigma_w, scale_s, elapsed[rows])
        depth = _running_sums(grown, number, growth)
        plume = start_m[rows] + depth
        shallow = (plume < influenced_height_m(height, veght)) & ~np.isnan(growth)
        corrected[rows[shallow]] = plume_influence(
            plume[shallow], density[shallow], samt_min[shallow]
        )
        # Of several rows of a particle in a block, the last one is kept.
        grown[number] = depth
        deep[number] = plume >= deepest
    return corrected


def _running_sums(begin: Floats, number: Ints, terms: Floats) -> Floats:
    """Add each number's terms, one after the other, to its initial value; NaN adds nothing.

    Strictly in order, so that the sums do not depend on where a block begins.

    Args:
        begin: initial value of each number.
        number: of each term, shape (terms,).
        terms: shape (terms,).

    Returns:
        The sum up to each term, itself included.
    """
    order = np.argsort(number, kind="stable")
    first = np.flatnonzero(np.diff(number[order], prepend=-1))
    counts = np.diff(first, append=number.size)
    if counts.size * counts.max() > max(_MOST_SUMS, 8 * number.size):
        # Few particles have most of the rows: a table of all would be large.
        half = number.size // 2
        early = _running_sums(begin, number[:half], terms[:half])
        middle = begin.copy()
        middle[number[:half]] = early
        return np.concatenate([early, _running_sums(middle, number[half:], terms[half:])])
    owner = np.repeat(np.arange(counts.size), counts)
    rank = np.arange(number.size) - np.repeat(first, counts) + 1
    sums = np.zeros((counts.max() + 1, counts.size))
    sums[0] = begin[number[order[first]]]
    sums[rank, owner] = np.nan_to_num(terms[order], nan=0.0, posinf=np.inf, neginf=-np.inf)
    np.add.accumulate(sums, axis=0, out=sums)
    out = np.empty(number.size)
    out[order] = sums[rank, owner]
    return out
