"""Run by OpenGHG's own Python: parse a file of ours, and multiply it with a flux.

Arguments: the file, a flux in umol m-2 s-1, the species. Prints
modelled mole fractions in ppm as JSON.
"""

import json
import sys
import warnings

import numpy as np
import xarray as xr

warnings.simplefilter("ignore")

from openghg.analyse import ModelScenario  # noqa: E402
from openghg.dataobjects import FluxData, FootprintData, ObsData  # noqa: E402
from openghg.standardise.footprints import parse_paris  # noqa: E402

path, flux_path, species = sys.argv[1:]
parsed = parse_paris(
    filepath=path, site="WBB", domain="TEST", model="STILT", inlet="30m", met_model="demo",
    species=species, period="1 hour",
)  # fmt: skip
one = parsed if isinstance(parsed, dict) else parsed[0]
one = one if "data" in one else one[next(iter(one))]
times = one["data"].time.values
PERIOD = "1 hour" if species == "co2" else "1 year"
observed = xr.Dataset({"mf": ("time", np.full(times.size, 1900.0))}, {"time": times})
observed["mf"].attrs["units"] = "1e-9"
flux = xr.open_dataarray(flux_path) * 1e-6
if "time" not in flux.dims:
    flux = flux.expand_dims(time=[np.datetime64("2023-01-01", "ns")])
fluxes = xr.Dataset({"flux": flux.transpose("time", "lat", "lon")})
fluxes["flux"].attrs["units"] = "mol/m2/s"
scenario = ModelScenario(
    obs=ObsData(
        {"site": "WBB", "species": species, "inlet": "30m", "sampling_period": "3600"}, observed
    ),
    footprint=FootprintData(dict(one["metadata"]), one["data"]),
    flux=FluxData(
        {"species": species, "source": "a", "domain": "TEST", "time_period": PERIOD}, fluxes
    ),
)
merged = scenario.footprints_data_merge(calc_bc=False, resample_to=None)
# Of co2 in mol/mol, of others in the unit of the measurements.
name, factor = ("mf_mod_high_res", 1e6) if species == "co2" else ("mf_mod", 1e-3)
print(json.dumps([factor * value for value in merged[name].values.tolist()]))
