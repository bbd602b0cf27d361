"""The coordinate system of a grid mapping, the same for weather, fluxes and backgrounds."""

import pytest

from stilt.meteorology.grid_mapping import crs_of
from stilt.meteorology.grids import EARTH_RADIUS_M

LAMBERT = {
    "grid_mapping_name": "lambert_conformal_conic",
    "standard_parallel": [40.0, 40.0],
    "longitude_of_central_meridian": -112.0,
    "latitude_of_projection_origin": 40.0,
}


def radii_m(mapping):
    ellipsoid = crs_of(mapping).ellipsoid
    return ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre


def test_a_map_that_states_no_figure_of_the_earth_is_on_hysplits_sphere():
    assert radii_m(LAMBERT) == (EARTH_RADIUS_M, EARTH_RADIUS_M)


@pytest.mark.parametrize(
    ("figure", "radii"),
    [
        ({"earth_radius": 6_370_000.0}, (6_370_000.0, 6_370_000.0)),
        ({"reference_ellipsoid_name": "WGS 84"}, (6_378_137.0, pytest.approx(6_356_752.3))),
    ],
)
def test_a_figure_that_is_stated_counts(figure, radii):
    assert radii_m({**LAMBERT, **figure}) == radii
