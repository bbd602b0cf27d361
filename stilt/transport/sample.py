"""Met fields and turbulence as the transport has them at points, for comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.prepare import SURFACES, levels_for
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef
from stilt.transport.clock import minute_of
from stilt.transport.interpolation import (
    BracketingAnalyses,
    Geometry,
    bilinear_surface,
    nodes_at,
    terrain_at,
)
from stilt.transport.preparation import preparation_options
from stilt.transport.sweep import to_device
from stilt.transport.turbulence_layers import (
    air_at,
    column_at,
    layer_of,
    load_window,
    turbulence_of,
)

_BLOCK = 128


def sample_weather(
    points: pd.DataFrame,
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
    start: np.datetime64 | None = None,
) -> pd.DataFrame:
    """Interpolate met fields and turbulence to points.

    Args:
        points: columns ``time`` (UTC), ``long``, ``lati`` (degrees), ``zagl`` (m above ground).
        refs: analyses that bracket the times; a single one if all points have its time.
        config: transport settings.
        cache_dir: folder of prepared analyses.
        start: release time, from which ZISCALE counts hours; the first analysis by default.

    Returns:
        Columns mlht (m), sigw (m s-1), tlgr (s), dens (kg m-3), pres (hPa), temp (K, lowest
        level), zsfc (m), shtf (W m-2), index as ``points``. Rows outside the domain are NaN.
    """
    ordered = sorted(refs, key=lambda ref: ref.time)
    grid = ordered[0].grid
    levels = levels_for(grid, config.z_top)
    geometry = Geometry(
        grid.nx, grid.ny, grid.cyclic_x, 1, levels, fixed_time_scale=config.vscales > 0.0
    )
    times = tuple(minute_of(ref.time) for ref in ordered)
    store = PreparedStore(cache_dir, read_analysis)
    minutes = points["time"].to_numpy().astype("datetime64[s]").astype(np.int64) / 60.0
    last = len(times) - 1
    interval = np.clip(np.searchsorted(times, minutes, side="right") - 1, 0, max(last - 1, 0))
    begin = times[0] if start is None else minute_of(start)
    out = []
    for first in np.unique(interval):
        rows = points[interval == first]
        both = (first, min(first + 1, last))
        # Vertical motion is not sampled: any pair will do.
        pair = (ordered[both[0]], ordered[both[1]]) if config.w_option in SURFACES else None
        earlier, later = (
            to_device(store.get(ordered[n], preparation_options(config, begin, times[n]), pair))
            for n in both
        )
        analyses = BracketingAnalyses(earlier, later)
        chosen = interval == first
        weight = (minutes[chosen] - times[first]) / max(times[both[1]] - times[first], 1)
        x, y = grid.to_xy(rows["long"].to_numpy(), rows["lati"].to_numpy())
        # Whole blocks of points: few shapes to compile, and the size that gathers are divided into.
        padded = np.resize(np.arange(len(rows)), -(-len(rows) // _BLOCK) * _BLOCK)
        cell_x, cell_y = np.floor(x), np.floor(y)
        height_agl_m = rows["zagl"].to_numpy()
        values = _sample(
            analyses,
            *(jnp.asarray(cell[padded], jnp.int32) for cell in (cell_x, cell_y)),
            *(
                jnp.asarray(values[padded], jnp.float32)
                for values in (x - cell_x, y - cell_y, height_agl_m, weight)
            ),
            geometry=geometry,
            influence=config.veght,
        )
        frame = pd.DataFrame(
            {name: np.asarray(field)[: len(rows)] for name, field in values.items()},
            index=rows.index,
        )
        frame.loc[~grid.usable(x, y)] = np.nan
        out.append(frame)
    return pd.concat(out).loc[points.index]


@partial(jax.jit, static_argnames=("geometry", "influence"))
def _sample(
    analyses: BracketingAnalyses,
    cell_x: jax.Array,
    cell_y: jax.Array,
    x: jax.Array,
    y: jax.Array,
    height_agl_m: jax.Array,
    weight: jax.Array,
    *,
    geometry: Geometry,
    influence: float,
) -> dict[str, jax.Array]:
    nodes = nodes_at(geometry, cell_x, cell_y, x, y)
    terrain = terrain_at(analyses, nodes)
    top = geometry.levels.model_top_m
    z = height_agl_m * top / (top - terrain)
    column, _ = column_at(analyses, geometry, nodes, weight, influence)
    layer = layer_of(geometry.levels, z, column.inserted)
    window = load_window(analyses, geometry, nodes, weight, layer, column.inserted)
    sigma, time_scale = turbulence_of(window, layer, column.inserted)
    density, pressure = air_at(geometry.levels, column, window, layer, z)
    return {
        "mlht": column.mixed_layer_m,
        "sigw": sigma,
        "tlgr": time_scale,
        "dens": density,
        "pres": pressure,
        "temp": bilinear_surface(analyses, nodes, weight, "lowest_temperature_k"),
        "zsfc": terrain,
        "shtf": bilinear_surface(analyses, nodes, weight, "sensible_heat_w_m2"),
    }
