"""NetCDF 3 files that are cut short, whose missing end the netCDF library reads as zeros."""

import netCDF4
import numpy as np
import pytest

from benchmarks.weather_files.era5_files import level_dataset
from benchmarks.weather_files.truth import LATLON, PRESSURES_HPA, on_grid, on_pressures, truth
from stilt.config import MetConfig
from stilt.errors import MeteorologyError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.formats.netcdf_classic import require_whole

HOUR = np.datetime64("2023-07-15T15:00")
KINDS = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]


def write(path, kind, n_records, types):
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.title = "odd"
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("x", "f8", ("x",))[:] = 1.0
        for number, kind_of in enumerate(types):
            variable = file.createVariable(f"v{number}", kind_of, ("time", "x"))
            variable.units = "K"
            variable[:n_records] = np.ones((n_records, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_records", [0, 1, 5])
@pytest.mark.parametrize("types", [[], ["i2"], ["f4", "i2", "f8"]])
def test_whole_files_are_taken_and_any_shorter_ones_refused(tmp_path, kind, n_records, types):
    path = tmp_path / "file.nc"
    write(path, kind, n_records, types)
    require_whole(str(path))
    content = path.read_bytes()
    # The last value may be followed by padding to four bytes.
    for length in (len(content) - 4, len(content) // 2, 40, 5):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut short"):
            require_whole(str(path))


@pytest.mark.parametrize("records", [["valid_time"], []])
def test_a_weather_file_cut_short_is_to_be_fetched_again(tmp_path, records):
    analysis = on_pressures(on_grid(truth(HOUR), LATLON), np.array(PRESSURES_HPA, float))
    path = tmp_path / "levels.nc"
    level_dataset([analysis]).to_netcdf(path, format="NETCDF3_64BIT", unlimited_dims=records)
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    told = rf"cut short: it has {len(content) - 2000:,} of .* bytes; fetch or copy the file again"
    with pytest.raises(MeteorologyError, match=told):
        MetCatalogue(MetConfig(directory=tmp_path, format="era5")).select(HOUR, HOUR)
