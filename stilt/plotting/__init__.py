"""Maps of footprints and particles; needs matplotlib (the extra ``plots``)."""

from stilt.plotting.footprints import FootprintPlots as FootprintPlots
from stilt.plotting.trajectories import TrajectoryPlots as TrajectoryPlots

__all__ = ["FootprintPlots", "TrajectoryPlots"]
