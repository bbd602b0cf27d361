# %% [markdown]
# # Coming from R-STILT
#
# The model is the same: STILT particles, the same influence per particle, the same footprint algorithm. Footprints of the same particles equal R-STILT's ([parity](../parity.md)). Three things differ: no Fortran program is called, a project is a folder with a configuration file rather than a script to edit, and results are Parquet and NetCDF rather than `.rds`.

# %% [markdown]
# ## 1. What you have
#
# `r/run_stilt.r` begins with a table of receptors and some twenty settings. In R, write the receptors as they are:
#
# ```r
# write.csv(receptors, "receptors.csv", row.names = FALSE)   # run_time, lati, long, zagl
# ```
#
# A receptor at several places (lists in `long`, `lati` and `zagl`) takes several lines, which share a number in a column `r_idx` ([receptors](../receptors.md)). Further columns, such as a site name, come back with the results.
#
# Here is such a project, on **synthetic** weather in the format that R-STILT reads.

# %%
from pathlib import Path

from stilt.demo import write_demo_weather

write_demo_weather("met", first="2023-07-15T12:00", n_files=2)

Path("case").mkdir()
Path("case/receptors.csv").write_text("""\
"run_time","lati","long","zagl"
2023-07-15 18:00:00,40.77,-111.85,30
2023-07-15 20:00:00,40.77,-111.85,30
""");

# %% [markdown]
# ## 2. The same settings in config.yaml
#
# | run_stilt.r | config.yaml |
# | --- | --- |
# | `met_path`, `met_file_format`, `met_file_tres` | `mets.NAME.directory`, `file_format`, `file_tres` |
# | `xmn`, `xmx`, `ymn`, `ymx`, `xres`, `yres`, `projection` | `footprints.NAME.grid` with `xmin`, `xmax`, `ymin`, `ymax`, `xres`, `yres`, `projection` |
# | `n_hours`, `numpar`, `varsiwant`, `hnf_plume`, `rm_dat` | the first four by the same names; there are no `.dat` files |
# | `smooth_factor`, `time_integrate` | the same, in `footprints.NAME` |
# | `n_cores`; `slurm`, `slurm_options` | `execution.n_workers`; [clusters](../clusters.md) |
# | `before_footprint` | [transforms](../footprints.md) |
# | HYSPLIT's `capemin`, `kmix0`, `w_option`, `zicontroltf`, ... | the same names; a setting without effect here is refused unless it is at its default |
# | `siguverr`, `sigzierr`, ... | the same names: [error runs](../error-runs.md) |
#
# For your own weather, `stilt init ./case --template hrrr` (or gfs, era5, wrf) writes the file with comments; [HRRR](../hrrr.md) and [GFS](../gfs.md) have the details. Two things differ from `run_stilt.r`:
#
# - `file_format` is how file names **begin**, with `*` and `?` as in a shell. (In R-STILT it is a regular expression.) Files named `20190530_00-05_hrrr` are `"%Y%m%d_%H"` with `file_tres: 6h`; `hysplit.20190530.00z.hrrra` is `"hysplit.%Y%m%d.%Hz.hrrra"`.
# - A relative `directory` is relative to the folder of `config.yaml`, wherever you run the command.

# %%
Path("case/config.yaml").write_text("""\
mets:
  demo:
    directory: ../met
    file_format: "%Y%m%d_%H"
    file_tres: 6h
footprints:
  default:
    grid: {xmin: -114, xmax: -111, ymin: 40, ymax: 42, xres: 0.05, yres: 0.05}
    smooth_factor: 1
    time_integrate: false
n_hours: -3
numpar: 200
hnf_plume: true
seed: 1                # R-STILT has no seed: its runs differ each time
execution:
  n_workers: 1         # n_cores
""");

# %%
!stilt check case

# %%
!stilt run case

# %% [markdown]
# ## 3. Where the results are
#
# | R-STILT | here |
# | --- | --- |
# | `out/by-id/ID/ID_traj.rds` | `simulations/by-id/ID/ID_traj.parquet`, for pandas, polars, DuckDB and R's `arrow` |
# | `out/by-id/ID/ID_foot.nc` | `simulations/by-id/ID/ID_NAME_foot.nc`, one for each footprint |
# | `out/particles`, `out/footprints` | `simulations/particles`, `simulations/footprints` |
# | `ID/stilt.log` | `simulations/by-id/ID/stilt.log`, which exists only after a failure; `stilt explain` shows it |
# | `yyyymmddHHMM_long_lati_zagl` | the same behind the weather's name |

# %%
sorted(path.name for path in Path("case/simulations/footprints").iterdir())

# %% [markdown]
# The particle table has R-STILT's columns: `foot` after the near-field correction, `foot_no_hnf_dilution` before it.

# %%
import pandas as pd

particles = pd.read_parquet(min(Path("case/simulations/particles").iterdir()))
particles[["time", "indx", "long", "lati", "zagl", "foot", "foot_no_hnf_dilution"]].head(3)

# %% [markdown]
# The footprint is NetCDF with the axes `time`, `lat`, `lon` and the same unit, so scripts that read R-STILT's files still work:

# %%
import xarray as xr

foot = xr.open_dataset(min(Path("case/simulations/footprints").iterdir()))
print(dict(foot.sizes), foot["foot"].attrs["units"])
foot.close()

# %% [markdown]
# ## 4. What to do with them
#
# From the shell, `stilt plot` draws a map of the mean footprint (of one week with `--from 2023-07-10 --to 2023-07-16`), and `stilt report` writes a page on which you can step through receptors and hours. With `--kind series` you get the sum of every footprint over time, and with a simulation's id the map of that one.

# %%
!stilt plot case --out case/

# %%
!stilt report case --out case/report.html

# %% [markdown]
# In Python you can compute the mean footprint, the contribution of a flux to each measurement, and the Jacobian for an inversion. The flux is an xarray array with `lat`, `lon` and its unit, such as `xr.open_dataset("flux.nc")["co2_flux"]`.

# %%
import numpy as np

import stilt

footprints = stilt.Model("case").footprints["default"]
lat, lon = np.arange(39.5, 42.6, 0.1), np.arange(-114.5, -110.4, 0.1)
flux = xr.DataArray(
    np.full((lat.size, lon.size), 2.0),
    coords={"lat": lat, "lon": lon},
    dims=("lat", "lon"),
    attrs={"units": "umol m-2 s-1"},
)
print(f"sum of the mean: {float(footprints.mean().sum()):.2f} ppm per (µmol m⁻² s⁻¹)")
footprints.enhancement(flux)[["enhancement_ppm", "outside_share"]].round(2)

# %%
cells = stilt.Grid(xmin=-114, xmax=-111, ymin=40, ymax=42, xres=0.5, yres=0.5)
hours = pd.date_range("2023-07-15 15:00", "2023-07-15 20:00", freq="h")
jacobian = footprints.jacobian(cells, hours)
jacobian.matrix.shape, round(float(jacobian.matrix.sum()), 2)

# %% [markdown]
# ## 5. What to know
#
# - **Weather.** ARL files are chosen by the times inside them, not by their names alone; ERA5, HRRR, GFS and WRF are [read as they are](../meteorology.md).
# - **Failures.** A receptor without weather fails with `MISSING_MET_FILES` and an explanation before anything is computed. The run continues with the others, and its exit code is 1.
# - **Repeated runs.** `stilt run` computes what is missing. After a change of the grid it computes new footprints from the particles it has; after a change of transport settings it computes the particles again, too. Receptors that you remove from `receptors.csv` keep their results; if they have none, the run says how to remove them from the project.
# - **Heights** are above ground unless `altitude_ref` says `msl`; as in R-STILT, `kmsl` overrides it.
# - **Old campaigns.** `stilt migrate ./old ./case` takes over footprints, and particles where they can be read, so that one Jacobian holds old and new receptors ([exchange](../exchange.md)).
# - **Reproducibility.** The same seed gives the same results, whatever the number of cores, the order or the batches.
# - **Measurements.** [`stilt observe`](../soundings.md) makes receptors and averaging kernels from files of instruments; [background](../background.md) and [time series](../time-series.md) compare modelled mole fractions with what was measured.
# - **Speed.** The numbers are in [Performance](../performance.md).
