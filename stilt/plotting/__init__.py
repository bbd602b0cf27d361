"""Pictures of footprints and particles; needs matplotlib (the extra ``plots``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.lazy import loader

if TYPE_CHECKING:
    from stilt.plotting.animation import save_animation as save_animation
    from stilt.plotting.coverage import plot_coverage as plot_coverage
    from stilt.plotting.ends import map_ends as map_ends
    from stilt.plotting.footprint_files import FootprintFilesPlots as FootprintFilesPlots
    from stilt.plotting.footprints import FootprintPlots as FootprintPlots
    from stilt.plotting.interactive import InteractiveMap as InteractiveMap
    from stilt.plotting.map_keywords import MapKeywords as MapKeywords
    from stilt.plotting.natural_earth import outlines as outlines
    from stilt.plotting.particle_keywords import ParticleKeywords as ParticleKeywords
    from stilt.plotting.timeseries import plot_timeseries as plot_timeseries
    from stilt.plotting.trajectories import TrajectoryPlots as TrajectoryPlots

# A run draws a small map with one module: the others, which need xarray, are not for it.
_HOME = {
    "FootprintFilesPlots": "footprint_files",
    "FootprintPlots": "footprints",
    "InteractiveMap": "interactive",
    "MapKeywords": "map_keywords",
    "ParticleKeywords": "particle_keywords",
    "TrajectoryPlots": "trajectories",
    "map_ends": "ends",
    "outlines": "natural_earth",
    "plot_coverage": "coverage",
    "plot_timeseries": "timeseries",
    "save_animation": "animation",
}

__all__ = sorted(_HOME)

__getattr__ = loader(__name__, _HOME)
