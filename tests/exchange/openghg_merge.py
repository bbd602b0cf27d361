"""Run by OpenGHG's own Python: parse a file of ours, and multiply it with a flux.

Arguments: the file, a flux in umol m-2 s-1. Prints modelled mole fractions in ppm as JSON.
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

path, flux_path = sys.argv[1:]
parsed = parse_paris(
    filepath=path, site="WBB", domain="TEST", model="STILT", inlet="30m", met_model="demo",
    species="ch4", period="1 hour",
)  # fmt: skip
one = parsed if isinstance(parsed, dict) else parsed[0]
one = one if "data" in one else one[next(iter(one))]
times = one["data"].time.values
observed = xr.Dataset({"mf": ("time", np.full(times.size, 1900.0))}, {"time": times})
observed["mf"].attrs["units"] = "1e-9"
flux = xr.open_dataarray(flux_path) * 1e-6
flux = flux.expand_dims(time=[np.datetime64("2023-01-01", "ns")])
fluxes = xr.Dataset({"flux": flux.transpose("time", "lat", "lon")})
fluxes["flux"].attrs["units"] = "mol/m2/s"
scenario = ModelScenario(
    obs=ObsData(
        {"site": "WBB", "species": "ch4", "inlet": "30m", "sampling_period": "3600"}, observed
    ),
    footprint=FootprintData(dict(one["metadata"]), one["data"]),
    flux=FluxData(
        {"species": "ch4", "source": "a", "domain": "TEST", "time_period": "1 year"}, fluxes
    ),
)
merged = scenario.footprints_data_merge(calc_bc=False, resample_to=None)
print(json.dumps([value / 1000 for value in merged["mf_mod"].values.tolist()]))
