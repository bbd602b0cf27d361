"""The comparisons: each gives a table with a row a case, and whether its bar is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from benchmarks.parity import ours
from benchmarks.parity.cases import (
    CELL_DEG,
    FILE_RESOLUTION_DEG,
    FINER_CELLS_DEG,
    Case,
    Ensemble,
    Total,
)

EARTH_RADIUS_KM = 6371.2
_ROUNDING_KM = 0.02
_TOO_NOISY = 10.0
_SETS = 100
# A footprint on fewer cells tells nothing about its shape.
_FEWEST_CELLS = 10
_CLOUD_COLUMNS = ("lon", "lat", "zagl")

MEDIAN_BAR, TAIL_BAR, MIXED_LAYER_TAIL_BAR = 1.0, 5.0, 10.0
DISTANCE_BAR, HEIGHT_BAR, HEIGHT_BAR_M = 0.5, 2.0, 10.0
CLOUD_BAR = 95.0
VARIATION_BAR = 1.15
TOTAL_BAR, BIAS_BAR = 5.0, 2.0
CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Bar:
    """What is asked, what was found, and the verdict.

    A verdict is ``"pass"``, ``"MISS"``, ``"open"`` where the bar is missed by less than two
    standard errors of the seeds, so that more particles or seeds are needed to tell, or
    ``"cannot tell"`` where no case has anything to compare.
    """

    asked: str
    found: str
    verdict: str


def verdict(met: bool, *, within_noise: bool = False) -> str:
    """Verdict on a bar."""
    return "pass" if met else "open" if within_noise else "MISS"


@dataclass(frozen=True)
class Check:
    """One comparison: its title, its table, and its bars."""

    title: str
    table: pd.DataFrame
    bars: list[Bar]


def point_check(cases: Sequence[Case], cache: Path, rows: int = 3000) -> Check:
    """Weather and turbulence at HYSPLIT's own particle positions, relative differences in %."""
    out = {}
    for case in cases:
        parts = [case.mean] if case.mean is not None else []
        # The first minutes are left out: their files give places to 10 m only.
        parts += [e.particles[e.particles["age"].abs() > 10] for e in case.ensembles[:1]]
        theirs = pd.concat(parts, ignore_index=True)
        theirs = theirs.sample(min(len(theirs), rows), random_state=0)
        mine = ours.points(case, theirs, cache)
        line = {}
        for name in ours.POINT_COLUMNS:
            known = np.isfinite(mine[name]) & (theirs[name].abs() > 1e-3)
            error = 100.0 * (mine[name] / theirs[name] - 1.0)[known].abs()
            line[f"{name} median"], line[f"{name} p95"] = error.median(), error.quantile(0.95)
        out[str(case)] = line
    table = pd.DataFrame(out).T
    bars = []
    for name in ours.POINT_COLUMNS:
        median, tail = table[f"{name} median"].max(), table[f"{name} p95"].max()
        limit = MIXED_LAYER_TAIL_BAR if name == "mlht" else TAIL_BAR
        asked = f"{name}: median <= {MEDIAN_BAR:g} %, 95th percentile <= {limit:g} %"
        if np.isnan(median):
            bars.append(Bar(asked, "zero in every case", CANNOT_TELL))
            continue
        met = verdict(median <= MEDIAN_BAR and tail <= limit)
        bars.append(Bar(asked, f"largest {median:.3f} %, {tail:.2f} %", met))
    return Check("Point check: relative difference, %", table, bars)


def mean_check(cases: Sequence[Case], cache: Path) -> Check:
    """Mean trajectories: distance in % of the path travelled so far, and height.

    From an hour on (in short runs from half way), less 20 m for the four decimals of HYSPLIT's
    positions. The last column is the distance that remains when our wind moves HYSPLIT's own
    track, minute by minute at its own heights.
    """
    out = {}
    for case in cases:
        theirs = case.mean
        if theirs is None:
            continue
        both = _joined(theirs, ours.mean_trajectory(case, cache))
        path = path_km(both["lon"], both["lat"], case)
        distance = distance_km(both["lon"], both["lat"], both["lon_ours"], both["lat_ours"])
        share = 100.0 * np.maximum(distance - _ROUNDING_KM, 0.0) / np.maximum(path, 1e-6)
        apart = (both["zagl_ours"] - both["zagl"]).abs()
        allowed = np.maximum(HEIGHT_BAR_M, HEIGHT_BAR / 100.0 * both["zagl"])
        out[str(case)] = {
            "minutes": len(both),
            "HYSPLIT's minutes": len(theirs),
            "path km": path[-1],
            "end %": share[-1],
            "worst %": share[min(60, len(share) // 2) :].max(),
            "height m": apart.max(),
            "height / bar": (apart / allowed).max(),
            "own heights %": _own_heights(case, theirs, cache),
        }
    table = pd.DataFrame(out).T
    if table.empty:
        return Check("Mean trajectories", table, [])
    complete = (table["minutes"] >= table["HYSPLIT's minutes"] - 1).all()
    bars = [
        Bar(
            f"distance <= {DISTANCE_BAR:g} % of the path at every age",
            f"largest {table['worst %'].max():.2f} % ({table['worst %'].idxmax()})",
            verdict((table["worst %"] <= DISTANCE_BAR).all() and complete),
        ),
        Bar(
            f"height within {HEIGHT_BAR:g} % or {HEIGHT_BAR_M:g} m",
            f"largest {table['height m'].max():.1f} m, "
            f"{table['height / bar'].max():.2f} of what is allowed",
            verdict((table["height / bar"] <= 1.0).all()),
        ),
    ]
    return Check("Mean trajectories, no turbulence", table, bars)


def _joined(theirs: pd.DataFrame, mine: pd.DataFrame) -> pd.DataFrame:
    """Rows of equal age side by side, by age; ours with the suffix ``_ours``."""
    both = theirs.merge(mine, on="age", suffixes=("", "_ours"))
    return both.set_index("age").sort_index(key=np.abs)


def _own_heights(case: Case, track: pd.DataFrame, cache: Path) -> float:
    """Distance at the end, % of the path, when only the heights are HYSPLIT's."""
    both = _joined(track, ours.minute_from_each(case, track.iloc[:-1], cache))
    cosine = np.cos(np.radians(both["lat"]))
    apart_x = ((both["lon_ours"] - both["lon"]) * cosine).sum()
    apart_y = (both["lat_ours"] - both["lat"]).sum()
    # Each step starts where HYSPLIT's file says, so the rounding of its places cancels in the sum.
    distance = np.radians(np.hypot(apart_x, apart_y)) * EARTH_RADIUS_KM
    return 100.0 * distance / path_km(track["lon"], track["lat"], case)[-1]


def cloud_check(
    runs: dict[Case, list[Ensemble]], pools: dict[Case, list[Ensemble]] | None = None
) -> tuple[Check, pd.DataFrame]:
    """Mean and standard deviation of the particles' places at each age, ours against theirs.

    A difference of seed averages counts as none when it is within two standard errors. The
    variance between seeds is estimated twice, from the few seeds of both programs, and as the
    sampling error of independent particles (sd / sqrt(N) for a mean), and the two are averaged;
    the rounding of the files' degrees (1e-4 / sqrt(12)) is added.

    Ages follow one another, so the share is far from 95 % in some sets of seeds even when one
    program is compared with itself. Further ensembles of ours (``pools``) tell how far; the verdict
    does not depend on it.

    Args:
        runs: our ensembles of each case.
        pools: further ones, from which both sides of a comparison of ours with ours are drawn.
    """
    details = pd.concat([_clouds(case, case.ensembles, mine) for case, mine in runs.items()])
    title = "Particle clouds: comparisons within 2 standard errors, %"
    asked = f">= {CLOUD_BAR:g} % of all comparisons within 2 standard errors"
    if details.empty:
        bar = Bar(asked, "no age has ten particles in each ensemble", CANNOT_TELL)
        return Check(title, pd.DataFrame(), [bar]), details
    inside = details.assign(inside=100.0 * (details["z"].abs() <= 2.0))
    table = inside.pivot_table(index="case", columns=["column", "statistic"], values="inside")
    table.columns = [" ".join(names) for names in table.columns]
    table["all"] = inside.groupby("case")["inside"].mean()
    table["comparisons"] = inside.groupby("case").size()
    share = inside["inside"].mean()
    found = f"{share:.1f} % of {len(inside)}"
    if pools:
        chance = _shares_of_one_program(runs, pools)
        low = float(np.quantile(chance, 0.05))
        found += f"; ours with ours {chance.mean():.1f} %, every twentieth set below {low:.1f} %"
    bars = [Bar(asked, found, verdict(share >= CLOUD_BAR))]
    return Check(title, table.reindex([str(case) for case in runs]), bars), details


def _clouds(case: Case, theirs: list[Ensemble], mine: list[Ensemble]) -> pd.DataFrame:
    """Every comparison of one case: ensembles in HYSPLIT's place against ours."""
    every = []
    for age, column in product(sorted(_common_ages(case), key=abs), _CLOUD_COLUMNS):
        a, b = ([_at(e, age, column) for e in group] for group in (theirs, mine))
        if min(map(len, a + b)) < 10:
            continue
        for statistic in ("mean", "sd"):
            z, of_a, of_b = _difference(a, b, statistic, column)
            every.append((str(case), age, column, statistic, z, of_a, of_b))
    columns = ["case", "age", "column", "statistic", "z", "HYSPLIT", "ours"]
    return pd.DataFrame(every, columns=columns)


def _shares_of_one_program(
    runs: dict[Case, list[Ensemble]], pools: dict[Case, list[Ensemble]]
) -> np.ndarray:
    """Share of comparisons within two standard errors, %, when both sides are ours; shape (sets,).

    Each set draws as many ensembles for either side as the real comparison has.
    """
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(_SETS):
        parts = []
        for case, mine in runs.items():
            pool = pools[case]
            drawn = [pool[i] for i in rng.permutation(len(pool))]
            count = len(case.ensembles)
            parts.append(_clouds(case, drawn[:count], drawn[count : count + len(mine)]))
        shares.append(100.0 * (pd.concat(parts)["z"].abs() <= 2.0).mean())
    return np.array(shares)


def _common_ages(case: Case) -> set[float]:
    return set.intersection(*(set(e.particles["age"]) for e in case.ensembles))


def _at(ensemble: Ensemble, age: float, column: str) -> np.ndarray:
    rows = ensemble.by_age.get(age, ensemble.particles.iloc[:0])
    return rows[column].to_numpy(np.float64)


def _difference(
    theirs: list[np.ndarray], own: list[np.ndarray], statistic: str, column: str
) -> tuple[float, float, float]:
    """Difference of the seed averages in standard errors, and the two averages."""
    of = np.mean if statistic == "mean" else np.std
    groups = (theirs, own)
    numbers = [np.array([len(values) for values in group], float) for group in groups]
    values = [np.array([of(values) for values in group]) for group in groups]
    a, b = (np.average(v, weights=n) for v, n in zip(values, numbers, strict=True))
    # Variances of one particle: an ensemble's is one over its particles of it.
    freedom = len(theirs) + len(own) - 2
    squares = (n * (v - m) ** 2 for n, v, m in zip(numbers, values, (a, b), strict=True))
    between = sum(part.sum() for part in squares) / max(freedom, 1)
    everyone = np.concatenate(theirs + own)
    expected = variance = everyone.var()
    if statistic == "sd" and variance > 0.0:
        fourth = ((everyone - everyone.mean()) ** 4).mean()
        expected = (fourth - variance**2) / (4.0 * variance)
    spread = 0.5 * (between + expected) if freedom > 0 else expected
    rounding = 0.0 if column == "zagl" else FILE_RESOLUTION_DEG**2 / 12.0
    error = np.sqrt(spread * sum(1.0 / n.sum() for n in numbers) + rounding)
    return float((b - a) / max(error, 1e-9)), float(a), float(b)


def footprint_check(runs: dict[Case, list[Ensemble]]) -> Check:
    """Compare normalised footprints by their total variation distance, with as many particles.

    Cells are 0.1 degree, finer where HYSPLIT's footprint covers fewer than ten of them. A case that
    covers fewer than ten of the finest, or has one seed of HYSPLIT only, tells nothing; the bar is
    that of the others.

    The noise of the ratio comes from the spread of the pairs, of which only as many are
    independent as there are seeds.
    """
    table = pd.DataFrame({str(case): _distances(case, mine) for case, mine in runs.items()}).T
    asked = f"ours-theirs <= {VARIATION_BAR:g} x theirs-theirs in every case"
    title = "Footprints: total variation distance"
    ratio, noise = table["ratio"].dropna(), table["noise of ratio"].dropna()
    untold = _cases_that_cannot_tell(table["ratio"])
    if ratio.empty:
        return Check(title, table, [Bar(asked, untold, CANNOT_TELL)])
    bar = Bar(
        asked,
        f"largest {ratio.max():.2f} +- {noise[ratio.idxmax()]:.2f} ({ratio.idxmax()}){untold}",
        verdict(
            bool((ratio <= VARIATION_BAR).all()),
            within_noise=bool((ratio - 2.0 * noise <= VARIATION_BAR).all()),
        ),
    )
    return Check(title, table, [bar])


def _distances(case: Case, mine: list[Ensemble]) -> dict[str, float]:
    """Return a row of the footprints' table; its ratio is NaN where the case cannot tell."""
    cell_deg = _cell_that_tells(case)
    row = {"particles": case.ensembles[0].count, "HYSPLIT seeds": len(case.ensembles)}
    if np.isnan(cell_deg) or len(case.ensembles) < 2:
        names = ("cell deg", "theirs-theirs", "ours-theirs", "ratio", "noise of ratio")
        return {**row, **dict.fromkeys(names, np.nan)}
    theirs, own = ([e.footprint(cell_deg) for e in group] for group in (case.ensembles, mine))
    among = np.array([variation(a, b) for a, b in combinations(theirs, 2)])
    between = np.array([variation(a, b) for a, b in product(theirs, own)])
    relative = [pairs.std() / pairs.mean() for pairs in (among, between)]
    ratio = between.mean() / among.mean()
    return {
        **row,
        "cell deg": cell_deg,
        "theirs-theirs": among.mean(),
        "ours-theirs": between.mean(),
        "ratio": ratio,
        "noise of ratio": ratio * np.hypot(*relative) / np.sqrt(len(theirs)),
    }


def _cell_that_tells(case: Case) -> float:
    """Return the coarsest cells, in degrees, on which HYSPLIT's footprints have a shape; or NaN."""
    for cell_deg in (CELL_DEG, *FINER_CELLS_DEG):
        fields = [ensemble.footprint(cell_deg) for ensemble in case.ensembles]
        if np.mean([(field > 0.0).sum() for field in fields]) >= _FEWEST_CELLS:
            return cell_deg
    return np.nan


def _cases_that_cannot_tell(values: pd.Series) -> str:
    """Return the end of a sentence that names the cases without a value, or nothing."""
    names = values.index[values.isna()]
    return f"; cannot tell: {', '.join(names)}" if len(names) else ""


def total_check(
    runs: dict[Case, list[Ensemble]],
    further: dict[Case, tuple[list[Total], list[Total]]] | None = None,
) -> Check:
    """Footprint totals per particle, mean over all particles of all seeds.

    A case that its own noise makes uncertain by more than 10 % says nothing about a common bias
    and is left out of it. A case without influence in either program tells nothing at all.

    Args:
        runs: our ensembles of each case.
        further: totals of further ensembles of some cases, HYSPLIT's and ours.
    """
    out = {}
    for case, mine in runs.items():
        more = (further or {}).get(case, ([], []))
        groups = [
            [ensemble.total for ensemble in ensembles] + extra
            for ensembles, extra in zip((case.ensembles, mine), more, strict=True)
        ]
        (theirs, their_error), (own, own_error) = (mean_total(group) for group in groups)
        out[str(case)] = {
            "HYSPLIT's particles": sum(total.particles for total in groups[0]),
            "HYSPLIT": theirs,
            "ours": own,
            **_relative(theirs, their_error, own, own_error),
        }
    table = pd.DataFrame(out).T
    title = "Footprint totals per particle, ppm / (umol m-2 s-1)"
    asked = f"each within {TOTAL_BAR:g} %", f"no bias over all cases beyond {BIAS_BAR:g} %"
    known = table.dropna(subset=["difference %"])
    untold = _cases_that_cannot_tell(table["difference %"])
    if known.empty:
        return Check(title, table, [Bar(text, untold, CANNOT_TELL) for text in asked])
    difference, noises = known["difference %"], known["standard error %"].fillna(0.0)
    largest = difference.abs().idxmax()
    told = noises <= _TOO_NOISY if (noises <= _TOO_NOISY).any() else noises > 0.0
    bias, noise = difference[told].mean(), np.sqrt((noises[told] ** 2).sum()) / told.sum()
    bars = [
        Bar(
            asked[0],
            f"largest {difference[largest]:+.1f} % +- {noises[largest]:.1f} % ({largest}){untold}",
            verdict(
                (difference.abs() <= TOTAL_BAR).all(),
                within_noise=(difference.abs() <= TOTAL_BAR + 2.0 * noises).all(),
            ),
        ),
        Bar(
            asked[1],
            f"{bias:+.1f} % +- {noise:.1f} % over {told.sum()} cases",
            verdict(abs(bias) <= BIAS_BAR, within_noise=abs(bias) <= BIAS_BAR + 2.0 * noise),
        ),
    ]
    return Check(title, table, bars)


def _relative(theirs: float, their_error: float, own: float, own_error: float) -> dict[str, float]:
    """Return difference and standard error of two totals, % of HYSPLIT's.

    Where HYSPLIT's is zero they are % of ours; both are NaN when both totals are zero.
    """
    whole = theirs or own
    if whole == 0.0:
        return {"difference %": np.nan, "standard error %": np.nan}
    # That of the ratio; of one total alone where the other is zero.
    error = np.hypot(their_error * own / theirs if own and theirs else their_error, own_error)
    return {
        "difference %": 100.0 * (own - theirs) / whole,
        "standard error %": 100.0 * error / whole,
    }


def mean_total(totals: Sequence[Total]) -> tuple[float, float]:
    """Mean over all particles, and its standard error by the spread of the ensembles."""
    number = np.array([total.particles for total in totals], float)
    values = np.array([total.per_particle for total in totals])
    mean = float(np.average(values, weights=number))
    if len(totals) < 2:
        return mean, np.nan
    # The variance of an ensemble's total goes with one over its particles.
    of_one_particle = (number * (values - mean) ** 2).sum() / (len(totals) - 1)
    return mean, float(np.sqrt(of_one_particle / number.sum()))


def variation(a: pd.Series, b: pd.Series) -> float:
    """Return the total variation distance of two normalised fields.

    It is 0 for the same fields, 1 for fields without anything in common, as when one is zero.
    """
    if a.sum() == 0.0 or b.sum() == 0.0:
        return float((a.sum() == 0.0) != (b.sum() == 0.0))
    return float(0.5 * (a / a.sum()).sub(b / b.sum(), fill_value=0.0).abs().sum())


def distance_km(lon0: ArrayLike, lat0: ArrayLike, lon1: ArrayLike, lat1: ArrayLike) -> np.ndarray:
    """Great-circle distance between places, km, by the haversine formula."""
    lon0, lat0, lon1, lat1 = (np.radians(np.asarray(v, float)) for v in (lon0, lat0, lon1, lat1))
    half = (
        np.sin((lat1 - lat0) / 2) ** 2
        + np.cos(lat0) * np.cos(lat1) * np.sin((lon1 - lon0) / 2) ** 2
    )
    return 2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))


def path_km(lon: pd.Series, lat: pd.Series, case: Case) -> np.ndarray:
    """Length of the way from the receptor to each row."""
    lon = np.append(case.lon, np.asarray(lon, float))
    lat = np.append(case.lat, np.asarray(lat, float))
    return np.cumsum(distance_km(lon[:-1], lat[:-1], lon[1:], lat[1:]))
