"""Projects that ``stilt init`` begins: weather, footprints and receptors of a kind of work."""

from __future__ import annotations

from dataclasses import dataclass

from stilt.config.starter import starter_yaml


@dataclass(frozen=True)
class Template:
    """The files of a project to begin with.

    Attributes:
        name: as in ``--template``.
        config: text of config.yaml.
        receptors: text of receptors.csv; "" for that of
            :func:`stilt.receptors.starter_receptors_csv`.
        first: what to do first, one sentence.
    """

    name: str
    config: str
    receptors: str
    first: str


_HRRR = """\
mets:                           # weather: each entry is run with every receptor
  hrrr:
    directory: met              # folder of the files, searched with its subfolders
    file_format: "%Y%m%d_%H"    # how file names begin: NOAA's ARL files 20230715_18-23_hrrr
    file_tres: 6h               # hours in one file
    # source: hrrr              # have missing files downloaded from NOAA's archive
    # HRRR in GRIB2 (needs the extra grib): instead of the two keys file_format and file_tres
    # format: hrrr
"""

_GFS = """\
mets:                           # weather: each entry is run with every receptor
  gfs:
    directory: met              # folder of the files pgrb2.0p25 (needs the extra grib)
    format: gfs
    lead: 1h..6h                # hour 0 of a forecast has no fluxes
    subgrid_enable: true        # keep only this part of the globe
    subgrid_bounds: {xmin: -160, xmax: -60, ymin: 10, ymax: 70}
"""

_ERA5 = """\
mets:                           # weather: each entry is run with every receptor
  era5:
    directory: met              # folder of NetCDF or GRIB files (GRIB needs the extra grib):
    format: era5                # levels and surface fields, in one file or several
"""

_WRF = """\
mets:                           # weather: each entry is run with every receptor
  wrf:
    directory: met              # folder of WRF's own output
    format: wrf
    file_format: wrfout_d01     # which domain
    # nested_in: era5           # weather that goes on where the domain ends, named below it
"""

_REGIONAL = """\
footprints:                     # leave out to compute trajectories only
  default:
    grid: {xmin: -115, xmax: -109, ymin: 38, ymax: 43, xres: 0.05, yres: 0.05}   # degrees
"""

_COARSE = """\
footprints:                     # leave out to compute trajectories only
  default:
    grid: {xmin: -130, xmax: -100, ymin: 30, ymax: 50, xres: 0.25, yres: 0.25}   # degrees
"""

_TOWER_FOOTPRINTS = """\
footprints:                     # leave out to compute trajectories only
  near:                         # hourly, fine, around the tower
    grid: {xmin: -113, xmax: -110.5, ymin: 40, ymax: 42, xres: 0.01, yres: 0.01}   # degrees
  far:                          # the whole way of the air, summed over time
    grid: {xmin: -118, xmax: -106, ymin: 36, ymax: 46, xres: 0.1, yres: 0.1}
    time_integrate: true
"""

_SATELLITE_FOOTPRINTS = """\
footprints:                     # leave out to compute trajectories only
  column:
    grid: {xmin: -115, xmax: -109, ymin: 38, ymax: 43, xres: 0.05, yres: 0.05}   # degrees
    time_integrate: true        # one map for a sounding; leave out for one an hour
    # Weights that make it the influence on the measured column: the averaging kernels that
    # `stilt observe` has stored, and each particle's share of the column's air.
    # transforms:
    #   - kind: averaging_kernel
    #     table: observations/oco2-kernels.parquet
    #   - kind: pressure_weighting
"""

_POINTS = """\
# One receptor a line: time in UTC, degrees east and north, metres above ground.
# Replace these examples.
time,longitude,latitude,altitude
2023-07-15 18:00:00,-111.85,40.77,5
2023-07-15 19:00:00,-111.85,40.77,5
"""

_TOWER = """\
# A tower: one line for each hour and inlet. Times are UTC (here 12 to 17 h of local standard time,
# when the air is well mixed), heights are metres above ground. Replace these examples.
time,longitude,latitude,altitude,site
2023-07-15 19:00:00,-111.85,40.77,30,tower
2023-07-15 20:00:00,-111.85,40.77,30,tower
2023-07-15 21:00:00,-111.85,40.77,30,tower
2023-07-15 22:00:00,-111.85,40.77,30,tower
2023-07-15 23:00:00,-111.85,40.77,30,tower
2023-07-16 00:00:00,-111.85,40.77,30,tower
"""

_SATELLITE = """\
# Soundings of a satellite: two lines with one r_idx are a column of air, from its lower to its
# upper end. Times are UTC, heights metres above ground. Replace these examples.
r_idx,time,longitude,latitude,altitude,sounding_id
1,2023-07-15 20:31:12,-111.85,40.77,0,1001
1,2023-07-15 20:31:12,-111.85,40.77,3000,1001
2,2023-07-15 20:31:13,-111.83,40.79,0,1002
2,2023-07-15 20:31:13,-111.83,40.79,3000,1002
"""


def _config(what: str, weather: str, footprints: str, *, hours: int, particles: int) -> str:
    return f"""\
# {what}
# Every setting is described in the documentation, on the page config.yaml.

{weather}
{footprints}
n_hours: {hours:<23}# hours to follow the air; negative is back in time
numpar: {particles:<24}# particles of each receptor
seed: 1{"":<25}# with a seed the same run gives the same result

execution:
  backend: local{"":<16}# this machine; also prefect and dask
  n_workers: 2{"":<18}# processes that compute
"""


STARTER = Template(
    "",
    starter_yaml(),
    "",
    "Name your weather in config.yaml and your receptors in receptors.csv.",
)
"""What ``stilt init`` writes without a template."""

TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "hrrr",
            _config("Footprints with HRRR, 3 km.", _HRRR, _REGIONAL, hours=-24, particles=500),
            _POINTS,
            "Put NOAA's ARL files of HRRR into met/, or set source: hrrr to have them downloaded.",
        ),
        Template(
            "gfs",
            _config("Footprints with GFS, 0.25 degrees.", _GFS, _COARSE, hours=-72, particles=500),
            _POINTS,
            "Put GFS files pgrb2.0p25 into met/; the guide on GFS says which.",
        ),
        Template(
            "era5",
            _config("Footprints with ERA5.", _ERA5, _COARSE, hours=-72, particles=500),
            _POINTS,
            "Put ERA5 files into met/; the guide on ERA5 has the requests for them.",
        ),
        Template(
            "wrf",
            _config("Footprints with WRF's output.", _WRF, _REGIONAL, hours=-24, particles=500),
            _POINTS,
            "Put wrfout files into met/, and name their domain in file_format.",
        ),
        Template(
            "tower",
            _config(
                "A tower's afternoon hours, with HRRR; for other weather see the other templates.",
                _HRRR,
                _TOWER_FOOTPRINTS,
                hours=-24,
                particles=1000,
            ),
            _TOWER,
            "Put weather into met/, and your tower's place, heights and hours into receptors.csv.",
        ),
        Template(
            "satellite",
            _config(
                "Columns of a satellite, with HRRR; for other weather see the other templates.",
                _HRRR,
                _SATELLITE_FOOTPRINTS,
                hours=-24,
                particles=1000,
            ),
            _SATELLITE,
            "Put weather into met/, and soundings into receptors.csv, or: stilt observe FILES DIR.",
        ),
    )
}
"""Templates by name."""
