"""R-STILT's footprint algorithm as it is described, one row at a time.

Nothing of ``stilt.footprint`` is used and nothing is fast: loops over particles, ages and rows,
with two-dimensional kernels on a grid that is grown by the kernel's size. What the package computes
in other ways is compared with this.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

EXTRA_MINUTES = sorted(
    {round(0.1 * k, 1) for k in range(101)}
    | {round(10 + 0.2 * k, 1) for k in range(1, 51)}
    | {round(20 + 0.5 * k, 1) for k in range(1, 161)}
)


@dataclass(frozen=True)
class Case:
    """Grid and settings; bounds in degrees, cells in units of the projection."""

    xmin: float
    xmax: float
    ymin: float
    ymax: float
    xres: float
    yres: float
    projection: str = "+proj=longlat"
    smooth_factor: float = 1.0
    time_integrate: bool = False


@dataclass
class Made:
    """values[layer, row, column], hours of the layers, coordinates of the centres, and a reason."""

    values: np.ndarray
    hours: list[int]
    x: np.ndarray
    y: np.ndarray
    empty_reason: str = ""


def literal_footprint(table: pd.DataFrame, case: Case) -> Made:
    """All steps in the order in which they are written down."""
    longlat = case.projection.startswith("+proj=longlat")
    xmin, xmax, ymin, ymax = case.xmin, case.xmax, case.ymin, case.ymax
    wrapped = False
    if longlat:
        if ((180 - xmin) - (-180 - xmax)) % 360 == 0:
            xmin, xmax = -180.0, 180.0
        elif xmax < xmin or xmax > 180:
            wrapped, xmin, xmax = True, xmin % 360, xmax % 360
    if not longlat:
        xmin, xmax, ymin, ymax = _projected_bounds(case)
    columns, rows = _cells(xmin, xmax, case.xres), _cells(ymin, ymax, case.yres)
    x = xmin + np.arange(columns) * case.xres + case.xres / 2
    y = ymin + np.arange(rows) * case.yres + case.yres / 2
    if len(table) == 0:
        return _unwrapped(Made(np.zeros((1, rows, columns)), [0], x, y, "no_particles"), wrapped)

    steps = table[["time", "indx", "long", "lati", "foot"]].astype(float).reset_index(drop=True)
    particles = steps["indx"].nunique()
    sign = np.sign(np.median(steps["time"]))
    if wrapped:
        steps["long"] = steps["long"] % 360
    steps = _densified(steps, sign, case)
    first = {p: rows["time"].abs().min() for p, rows in steps.groupby("indx")}
    steps["rtime"] = [
        t - sign * first[p] for t, p in zip(steps["time"], steps["indx"], strict=True)
    ]
    if not longlat:
        import pyproj

        to = pyproj.Transformer.from_crs("EPSG:4326", case.projection, always_xy=True)
        steps["long"], steps["lati"] = to.transform(steps["long"].values, steps["lati"].values)
    widths = _widths(steps, case, longlat)
    widest = max(widths.values(), default=0.0)
    height, width = _kernel(widest, case).shape
    half_y, half_x = (height - 1) // 2, (width - 1) // 2
    steps["layer"] = 0 if case.time_integrate else np.floor(steps["time"] / 60).astype(int)
    near = steps[
        (steps["foot"] > 0)
        & (steps["long"] >= xmin - half_x * case.xres)
        & (steps["long"] < xmax + half_x * case.xres)
        & (steps["lati"] >= ymin - half_y * case.yres)
        & (steps["lati"] < ymax + half_y * case.yres)
    ]
    if len(near) == 0:
        hours = sorted(set(steps["layer"]))
        empty = np.zeros((len(hours), rows, columns))
        return _unwrapped(Made(empty, hours, x, y, "outside_domain"), wrapped)
    hours = sorted(set(near["layer"]))
    ages = sorted(widths)
    grown = np.zeros((len(hours), rows + 2 * height, columns + 2 * width))
    for row in near.itertuples():
        column = _place(row.long, xmin, case.xres, width)
        line = _place(row.lati, ymin, case.yres, height)
        kernel = _kernel(_nearest(ages, widths, row.rtime), case)
        reach_y, reach_x = (kernel.shape[0] - 1) // 2, (kernel.shape[1] - 1) // 2
        layer = grown[hours.index(row.layer)]
        for j in range(kernel.shape[0]):
            for i in range(kernel.shape[1]):
                at_y, at_x = line + j - reach_y, column + i - reach_x
                if 0 <= at_y < layer.shape[0] and 0 <= at_x < layer.shape[1]:
                    layer[at_y, at_x] += row.foot * kernel[j, i]
    values = grown[:, height : height + rows, width : width + columns] / particles
    return _unwrapped(Made(values, hours, x, y), wrapped)


def _projected_bounds(case: Case) -> tuple[float, float, float, float]:
    import pyproj

    to = pyproj.Transformer.from_crs("EPSG:4326", case.projection, always_xy=True)
    (x0, x1), (y0, y1) = to.transform([case.xmin, case.xmax], [case.ymin, case.ymax])
    return min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)


def _cells(low: float, high: float, size: float) -> int:
    return int(np.floor((high - low) / size + 1e-10))


def _place(position: float, low: float, size: float, buffer: int) -> int:
    """The last edge of the grid, grown by a buffer on either side, not above the position."""
    k = int(np.floor((position - low) / size)) + buffer - 2
    while (low - buffer * size) + (k + 1) * size <= position:
        k += 1
    return k


def _densified(steps: pd.DataFrame, sign: float, case: Case) -> pd.DataFrame:
    moves = []
    for _, rows in steps[steps["time"].abs() < 100].groupby("indx"):
        rows = rows.sort_values("time", key=abs)
        if len(rows) > 1:
            moves.append([rows[at].diff().abs().median() for at in ("long", "lati")])
    dx, dy = pd.DataFrame(moves, columns=["x", "y"]).median() if moves else (np.nan, np.nan)
    if not (dx > case.xres or dy > case.yres):
        return steps
    parts = []
    for particle, rows in steps.groupby("indx"):
        times = sorted({*rows["time"], *(sign * minute for minute in EXTRA_MINUTES)})
        joined = pd.DataFrame({"time": times}).merge(rows, how="outer", on="time")
        joined["indx"] = particle
        joined = joined.sort_values("time", kind="stable")
        for name in ("long", "lati", "foot"):
            known = joined[name].notna()
            if known.any():
                joined[name] = np.interp(
                    joined["time"], joined["time"][known], joined[name][known], np.nan, np.nan
                )
        parts.append(joined)
    dense = pd.concat(parts).dropna().reset_index(drop=True)
    dense["time"] = dense["time"].round(1)
    for low, high in ((-1, 10), (10, 20), (20, 100)):
        old = steps["foot"][(steps["time"].abs() > low) & (steps["time"].abs() <= high)].sum()
        window = (dense["time"].abs() > low) & (dense["time"].abs() <= high)
        new = dense["foot"][window].sum()
        if new != 0:
            dense.loc[window, "foot"] *= old / new
    return dense


def _widths(steps: pd.DataFrame, case: Case, longlat: bool) -> dict[float, float]:
    widths = {}
    for rtime, rows in steps.groupby("rtime"):
        if len(rows) < 2:
            continue
        with np.errstate(invalid="ignore"):
            spread = np.var(rows["long"].values, ddof=1) + np.var(rows["lati"].values, ddof=1)
        width = 0.06 * spread**0.25 * np.sqrt(abs(rtime) / 1440) * case.smooth_factor
        if longlat:
            width /= np.cos(np.mean(rows["lati"].values) * np.pi / 180)
        if np.isfinite(width):
            widths[float(rtime)] = float(width)
    return widths


def _nearest(ages: list[float], widths: dict[float, float], rtime: float) -> float:
    return widths[min(ages, key=lambda age: abs(age - rtime))] if ages else 0.0


@cache
def _kernel(width: float, case: Case) -> np.ndarray:
    if width == 0:
        return np.ones((1, 1))
    half_x, half_y = int(3 * width / case.xres), int(3 * width / case.yres)
    kernel = np.empty((2 * half_y + 1, 2 * half_x + 1))
    for j in range(kernel.shape[0]):
        for i in range(kernel.shape[1]):
            off_x, off_y = (i - half_x) * case.xres, (j - half_y) * case.yres
            kernel[j, i] = np.exp(-(off_x**2 + off_y**2) / (2 * width**2))
    return kernel / kernel.sum()


def _unwrapped(made: Made, wrapped: bool) -> Made:
    if not wrapped:
        return made
    x = np.array([value - 360 if value >= 180 else value for value in made.x])
    order = np.argsort(x)
    return Made(made.values[:, :, order], made.hours, x[order], made.y, made.empty_reason)
