"""A time series for a paper: components stacked on the background, observations, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stilt.plotting.gaps import alone, broken_at, gaps
from stilt.plotting.series import MOST_NAMED, place_colours
from stilt.plotting.style import INK, LETTERS_PT, LINES, dress_dates, frame, pyplot
from stilt.plotting.timeseries_places import places_of

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

    Of several places (sites, heights or meteorologies) only modelled and observed totals are
    drawn, a line for each place. Lines and areas break where nothing follows for long, as at night
    in a series of afternoons.

    Args:
        series: what :meth:`stilt.Model.timeseries` returns.
        site: which one to draw: a label ``site`` of the receptors, a location's id, or one of the
            dimension ``site``; None draws all.
        title: above the axes.
        figsize: width and height, inches.
        letters: size of small letters, points.

    Returns:
        A figure with the components above and, where there are observations and a background, the
        residuals below.

    Raises:
        UsageError: matplotlib is missing, there is no such site, or there are several realizations.
    """
    plt = pyplot()
    parts = {name: part.sortby("time") for name, part in places_of(series, site).items()}
    units = series["total"].attrs.get("units", "ppm")
    residuals = "residual" in series
    figure, axes = plt.subplots(
        2 if residuals else 1, 1, sharex=True, figsize=figsize, squeeze=False,
        height_ratios=[3, 1] if residuals else None, layout="constrained",
    )  # fmt: skip
    ax = axes[0, 0]
    if len(parts) == 1:
        colours: list[Any] = ["black"]
        _one_place(ax, next(iter(parts.values())))
        what = units
    else:
        colours = place_colours(len(parts))
        what = f"{_several_places(ax, parts, colours)}, {units}"
    ax.set_ylabel(what, fontsize=letters, color=INK)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=letters - 0.5, frameon=False)
    if title:
        ax.set_title(title, loc="left", fontsize=letters + 2.5, color=INK)
    if residuals:
        below = axes[1, 0]
        below.axhline(0.0, color=INK, linewidth=0.8)
        for part, colour in zip(parts.values(), colours, strict=True):
            below.plot(
                part["time"].values, part["residual"].values, ".", color=colour, markersize=4
            )
        below.set_ylabel(f"residual\n{units}", fontsize=letters, color=INK)
    for each in axes[:, 0]:
        frame(each, letters)
        each.set_axisbelow(True)
        each.grid(True, color=LINES, linewidth=0.6)
        each.margins(x=0.01)
    dress_dates(axes[-1, 0], letters)
    return figure


def _one_place(ax: Any, series: xr.Dataset) -> None:
    """Draw components, background and totals."""
    times = series["time"].values
    breaks = gaps(times)
    (hours,) = broken_at(breaks, times)
    _stack(ax, series, "time" if "time" in series.dims else "receptor", breaks, hours)
    lines: tuple[tuple[str, dict[str, Any]], ...] = (
        ("background", {"color": "#666666", "linestyle": (0, (4, 2)), "linewidth": 1.2}),
        ("modelled", {"color": INK, "linewidth": 1.4}),
    )
    for name, style in lines:
        if name in series:
            (values,) = broken_at(breaks, series[name].values)
            ax.plot(
                hours, values, label=name, zorder=4, marker=".", markersize=4,
                markevery=alone(values).tolist(), **style,
            )  # fmt: skip
    if "observed" in series:
        _observed(ax, series, "black", "observed")


def _several_places(ax: Any, parts: dict[str, xr.Dataset], colours: list[Any]) -> str:
    """Draw a line of totals for each place, and return what the totals are."""
    what = "modelled" if "modelled" in next(iter(parts.values())) else "total"
    named = len(parts) <= MOST_NAMED
    for (name, part), colour in zip(parts.items(), colours, strict=True):
        times = part["time"].values
        hours, values = broken_at(gaps(times), times, part[what].values)
        ax.plot(
            hours, values, marker=".", markersize=4, linewidth=1.2,
            color=colour, alpha=1.0 if named else 0.4, label=name if named else None, zorder=4,
        )  # fmt: skip
        if "observed" in part:
            _observed(ax, part, colour, None)
    if not named:
        ax.plot([], [], marker=".", markersize=4, linewidth=1.2, color=colours[0], label=what)
    if "observed" in part:
        ax.plot([], [], "o", markersize=3, color=INK, markerfacecolor="white", label="observed")
    return what


def _observed(ax: Any, series: xr.Dataset, colour: Any, label: str | None) -> None:
    """Draw measurements as circles, with their standard deviations where they are known."""
    sigma = series["observed_uncertainty"].values
    ax.errorbar(
        series["time"].values, series["observed"].values,
        yerr=np.where(np.isnan(sigma), 0.0, sigma), fmt="o", markersize=3, color=colour,
        markerfacecolor="white", linewidth=0.8, label=label, zorder=5,
    )  # fmt: skip


def _stack(ax: Any, series: xr.Dataset, dim: str, breaks: np.ndarray, hours: np.ndarray) -> None:
    """Fill sources above the background and sinks below it, at hours that have been broken."""
    count = series.sizes[dim]
    base = series["background"].values if "background" in series else np.zeros(count)
    (up,) = broken_at(breaks, base)
    down = up.copy()
    for number, name in enumerate(series["component"].values.tolist()):
        mine = series["enhancement"].sel(component=name).transpose(dim).values
        (values,) = broken_at(breaks, mine)
        colour = COLOURS[number % len(COLOURS)]
        added, taken = values.clip(min=0.0), values.clip(max=0.0)
        label = str(name)
        if (added > 0.0).any() or not (taken < 0.0).any():
            _fill(ax, hours, up, up + added, colour, label)
            label = ""
        if (taken < 0.0).any():
            _fill(ax, hours, down + taken, down, colour, label)
        up += added
        down += taken


def _fill(
    ax: Any, hours: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, label: str
) -> None:
    """Fill between two lines, with a stroke at an hour that stands alone."""
    ax.fill_between(hours, low, high, color=colour, alpha=0.75, linewidth=0, label=label)
    at = alone(high)
    if at.size:
        ax.vlines(hours[at], low[at], high[at], color=colour, alpha=0.75, linewidth=3.0)
