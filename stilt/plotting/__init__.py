"""Pictures of footprints and particles; needs matplotlib (the extra ``plots``)."""

from stilt.plotting.animation import save_animation as save_animation
from stilt.plotting.coverage import plot_coverage as plot_coverage
from stilt.plotting.ends import map_ends as map_ends
from stilt.plotting.footprint_files import FootprintFilesPlots as FootprintFilesPlots
from stilt.plotting.footprints import FootprintPlots as FootprintPlots
from stilt.plotting.interactive import InteractiveMap as InteractiveMap
from stilt.plotting.map_keywords import MapKeywords as MapKeywords
from stilt.plotting.outlines import outlines as outlines
from stilt.plotting.particle_keywords import ParticleKeywords as ParticleKeywords
from stilt.plotting.timeseries import plot_timeseries as plot_timeseries
from stilt.plotting.trajectories import TrajectoryPlots as TrajectoryPlots

__all__ = [
    "FootprintFilesPlots",
    "FootprintPlots",
    "InteractiveMap",
    "MapKeywords",
    "ParticleKeywords",
    "TrajectoryPlots",
    "map_ends",
    "outlines",
    "plot_coverage",
    "plot_timeseries",
    "save_animation",
]
