"""Small fields of mole fractions in the layouts of products, linear in time, place and pressure."""

import numpy as np
import pandas as pd
import xarray as xr

from stilt.background.field import Points

TIMES = pd.date_range("2023-07-14 01:30", periods=9, freq="3h").as_unit("ns")
LATITUDES = np.arange(-88.0, 90.0, 4.0)
LONGITUDES = np.arange(-177.0, 180.0, 6.0)
EDGE_A = np.array([0.0, 5000.0, 15000.0, 12000.0, 5000.0, 0.0])  # Pa, from the ground up
EDGE_B = np.array([1.0, 0.9, 0.55, 0.2, 0.05, 0.0])
POINTS = Points(
    np.array(["2023-07-14 03:00", "2023-07-14 13:37", "2023-07-15 01:00"], "datetime64[ns]"),
    np.array([-111.85, 10.2, 179.0]),
    np.array([40.77, -33.3, 60.1]),
    np.array([845.0, 960.0, 300.0]),
)


def linear(lon, lat, pressure_hpa, hours):
    return 400.0 + 0.02 * lon - 0.1 * lat + 0.01 * pressure_hpa + 0.3 * hours


def hours_of(times):
    return (np.asarray(times) - np.datetime64("2023-07-14")) / np.timedelta64(1, "h")


def surface_pressure():
    lat, lon = np.meshgrid(LATITUDES, LONGITUDES, indexing="ij")
    one = 100000.0 - 5000 * np.cos(np.radians(lat)) + 20 * lon
    return np.stack([one + 10 * step for step in range(TIMES.size)])


def edges_pa():
    return EDGE_A[:, None, None] + EDGE_B[:, None, None] * surface_pressure()[:, None]


def values_of(pressure_pa):
    lon, lat = LONGITUDES[None, None, None], LATITUDES[None, None, :, None]
    return linear(lon, lat, pressure_pa / 100, hours_of(TIMES)[:, None, None, None])


def middles():
    edges = edges_pa()
    return 0.5 * (edges[:, :-1] + edges[:, 1:])


def coordinates(**extra):
    return {"time": TIMES, "lat": LATITUDES, "lon": LONGITUDES, **extra}


def carbontracker():
    dims = "time", "level", "latitude", "longitude"
    return xr.Dataset(
        {
            "co2": (dims, values_of(middles()), {"units": "micromol mol-1"}),
            "pressure": (("time", "boundary", *dims[2:]), edges_pa(), {"units": "Pa"}),
            "gph": (("time", "boundary", *dims[2:]), edges_pa() * 0.0, {"units": "m"}),
            "time_components": (("time", "six"), np.zeros((TIMES.size, 6))),
        },
        coords={"time": TIMES, "latitude": LATITUDES, "longitude": LONGITUDES},
    )


def hybrid(name, a, b, surface, *, gas="ch4", units="nmol mol-1", edge="hlevel"):
    return xr.Dataset(
        {
            gas: (("time", "level", "lat", "lon"), values_of(middles()), {"units": units}),
            a: (edge, EDGE_A, {"units": "Pa"}),
            b: (edge, EDGE_B),
            surface: (("time", "lat", "lon"), surface_pressure(), {"units": "Pa"}),
        },
        coords=coordinates(),
    )


def carboscope():
    initial = 350.0
    return xr.Dataset(
        {
            "co2mix": (
                ("mtime", "height", "lat", "lon"), values_of(middles()) - initial,
                {"ini": initial},
            ),
            "a": ("height", 0.5 * (EDGE_A[:-1] + EDGE_A[1:])),
            "b": ("height", 0.5 * (EDGE_B[:-1] + EDGE_B[1:])),
            "ps": (("mtime", "lat", "lon"), surface_pressure()),
        },
        coords={"mtime": TIMES, "lat": LATITUDES, "lon": LONGITUDES},
    )  # fmt: skip


def cf_terms():
    found = hybrid("", "ap", "b", "ps", edge="lev")
    middle_a, middle_b = (0.5 * (each[:-1] + each[1:]) for each in (EDGE_A, EDGE_B))
    return xr.Dataset(
        {
            "mole": (
                ("time", "lev", "lat", "lon"), found["ch4"].values,
                {"units": "1e-9", "standard_name": "mole_fraction_of_methane_in_air"},
            ),
            "ap": ("lev", middle_a, {"units": "Pa"}),
            "bcoef": ("lev", middle_b),
            "ps": found["ps"],
        },
        coords=coordinates(
            lev=("lev", np.arange(5.0), {"formula_terms": "ap: ap b: bcoef ps: ps"})
        ),
    )  # fmt: skip


def on_pressures():
    # From the top down, and longitudes from 0 to 360 in no order of ours.
    levels = np.array([100.0, 300.0, 500.0, 700.0, 850.0, 1000.0])
    lon = (LONGITUDES + 360) % 360
    shape = np.broadcast_to(levels[:, None, None] * 100, (levels.size, LATITUDES.size, lon.size))
    values = values_of(np.stack([shape] * TIMES.size))
    return xr.DataArray(
        values,
        dims=("time", "plev", "lat", "lon"),
        coords={"time": TIMES, "plev": ("plev", levels * 100, {"units": "Pa"}), "lat": LATITUDES,
                "lon": lon},
        attrs={"units": "ppm"},
        name="co2",
    ).sortby("lat", ascending=False)  # fmt: skip


def cf_pressures(level="level"):
    """Pressures under a name of one's own, on the levels or on the edges of layers."""
    found = carbontracker().drop_vars(["pressure", "gph"])
    pressure = middles() if level == "level" else edges_pa()
    attrs = {"units": "Pa", "standard_name": "air_pressure"}
    return found.assign(p_of_mine=(("time", level, "latitude", "longitude"), pressure, attrs))


def decoded_wholly():
    """What decode_coords="all" makes of a file: formula_terms are in the encoding."""
    found = cf_terms()
    terms = found["lev"].attrs.pop("formula_terms")
    found["lev"].encoding["formula_terms"] = terms
    return found.set_coords(["ap", "bcoef", "ps"])
