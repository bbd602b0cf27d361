"""The config.yaml that ``stilt init`` writes."""

from __future__ import annotations

_STARTER = """\
# Configuration of a stilt project. Every setting is described in the documentation.

mets:                                       # weather: each entry is run with every receptor
  hrrr:
    directory: /path/to/arl/meteorology     # folder with ARL files, searched with its subfolders
    file_format: "%Y%m%d_%H"                # how file names begin, as a strftime pattern
    file_tres: 1h                           # time from one file to the next

footprints:                                 # leave out to compute trajectories only
  default:
    xmin: -113                              # degrees east
    xmax: -110.5
    ymin: 40                                # degrees north
    ymax: 42
    xres: 0.01                              # degrees
    yres: 0.01

n_hours: -24                                # hours; negative follows the air back in time
numpar: 1000                                # particles per receptor
varsiwant: [time, indx, long, lati, zagl, foot, mlht, pres, dens, samt, sigw, tlgr]
hnf_plume: true                             # correct influence close to the receptor
skip_existing: true                         # keep outputs that exist

# output:
#   layout: store                           # thousands of receptors in few files; files is usual

# execution:
#   backend: local                          # this machine; also slurm, dask, prefect
#   n_workers: 4                            # worker processes; 1 computes without any
"""


def starter_yaml() -> str:
    """Return the text of the config.yaml that ``stilt init`` writes."""
    return _STARTER
