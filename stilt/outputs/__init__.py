"""Trajectories and footprints of a project: files are found, and read, when a method is called."""

from stilt.outputs.footprints import FootprintCollection, FootprintCollections
from stilt.outputs.trajectories import TrajectoryCollection

__all__ = ["FootprintCollection", "FootprintCollections", "TrajectoryCollection"]
