"""A time series for a paper: components stacked on the background, observations, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.errors import UsageError
from stilt.plotting.style import INK, LETTERS_PT, LINES, dress_dates, frame, pyplot

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which can be told apart with any colour vision.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999",
)  # fmt: skip


def plot_timeseries(
    series: xr.Dataset,
    site: str | None = None,
    *,
    title: str = "",
    figsize: tuple[float, float] = (8.0, 4.6),
    letters: float = LETTERS_PT,
) -> Figure:
    """Draw a time series: sources stacked upwards, sinks downwards, modelled and observed totals.

    Args:
        series: what :meth:`stilt.Model.timeseries` returns.
        site: which one to draw, where the series has the dimension ``site``.
        title: above the axes.
        figsize: width and height, inches.
        letters: size of small letters, points.

    Returns:
        A figure with the components above and, where there are observations and a background, the
        residuals below.

    Raises:
        UsageError: matplotlib is missing, or no site is named where there are several.
    """
    plt = pyplot()
    if "site" in series.dims:
        if site is None:
            sites = ", ".join(map(str, series["site"].values))
            raise UsageError(f"Name the site to draw, as site=...; there are {sites}.")
        series = series.sel(site=site).dropna("time", subset=["total"])
    dim = "time" if "time" in series.dims else "receptor"
    series = series.sortby("time")
    hours = series["time"].values
    units = series["total"].attrs.get("units", "ppm")
    residuals = "residual" in series
    figure, axes = plt.subplots(
        2 if residuals else 1, 1, sharex=True, figsize=figsize, squeeze=False,
        height_ratios=[3, 1] if residuals else None, layout="constrained",
    )  # fmt: skip
    ax = axes[0, 0]
    _stack(ax, series, dim, hours)
    lines: tuple[tuple[str, dict[str, Any]], ...] = (
        ("background", {"color": "#666666", "linestyle": (0, (4, 2)), "linewidth": 1.2}),
        ("modelled", {"color": INK, "linewidth": 1.4}),
    )
    for name, style in lines:
        if name in series:
            ax.plot(hours, series[name].values, label=name, zorder=4, **style)
    if "observed" in series:
        sigma = series["observed_uncertainty"].values
        ax.errorbar(
            hours, series["observed"].values, yerr=np.where(np.isnan(sigma), 0.0, sigma),
            fmt="o", markersize=3, color="black", markerfacecolor="white", linewidth=0.8,
            label="observed", zorder=5,
        )  # fmt: skip
    ax.set_ylabel(units, fontsize=letters, color=INK)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=letters - 0.5, frameon=False)
    if title:
        ax.set_title(title, loc="left", fontsize=letters + 2.5, color=INK)
    if residuals:
        below = axes[1, 0]
        below.axhline(0.0, color=INK, linewidth=0.8)
        below.plot(hours, series["residual"].values, ".", color="black", markersize=4)
        below.set_ylabel(f"residual\n{units}", fontsize=letters, color=INK)
    for each in axes[:, 0]:
        frame(each, letters)
        each.set_axisbelow(True)
        each.grid(True, color=LINES, linewidth=0.6)
        each.margins(x=0.01)
    dress_dates(axes[-1, 0], letters)
    return figure


def _stack(ax: Any, series: xr.Dataset, dim: str, hours: np.ndarray) -> None:
    """Fill sources above the background and sinks below it."""
    base = series["background"].values if "background" in series else np.zeros(hours.size)
    up, down = base.astype(np.float64).copy(), base.astype(np.float64).copy()
    for number, name in enumerate(series["component"].values.tolist()):
        values = series["enhancement"].sel(component=name).transpose(dim).values
        colour = COLOURS[number % len(COLOURS)]
        added, taken = values.clip(min=0.0), values.clip(max=0.0)
        label = str(name)
        if added.any() or not taken.any():
            ax.fill_between(hours, up, up + added, color=colour, alpha=0.75, linewidth=0,
                            label=label)  # fmt: skip
            label = ""
        if taken.any():
            ax.fill_between(hours, down + taken, down, color=colour, alpha=0.75, linewidth=0,
                            label=label)  # fmt: skip
        up += added
        down += taken
