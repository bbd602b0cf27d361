"""Coverage says for every receptor whether weather serves it, and why not."""

from __future__ import annotations

import pytest

from stilt.errors import Reason
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.coverage import check_coverage
from stilt.receptors import MultiPointReceptor, PointReceptor


def point(time="2023-07-14 12:00", longitude=-111.5, latitude=40.5):
    return PointReceptor(time=time, longitude=longitude, latitude=latitude, altitude=5.0)


@pytest.mark.parametrize(
    ("receptor", "status", "reason", "n_missing"),
    [
        (point(), "covered", None, 0),
        (point("2023-07-14 03:00"), "partly", Reason.MET_COVERAGE, 3),
        (point("2023-07-20 03:00"), "not covered", Reason.MISSING_MET_FILES, 7),
        (point(longitude=-90.0), "not covered", Reason.RECEPTOR_OUTSIDE_GRID, 0),
    ],
)
def test_each_receptor_gets_its_verdict(archive, receptor, status, reason, n_missing):
    (found,) = check_coverage(MetCatalogue(archive(), "hrrr"), [receptor], -6)
    assert (found.status, found.reason) == (status, reason)
    assert found.receptor_id == str(receptor.id)
    assert found.outside_grid == (reason is Reason.RECEPTOR_OUTSIDE_GRID)
    assert bool(found.detail) == (status != "covered")
    if reason is not Reason.MISSING_MET_FILES:
        assert len(found.missing) == n_missing
        assert found.files
    else:
        assert found.looked_for


def test_one_bad_receptor_leaves_the_others_alone(archive):
    receptors = [point(), point(latitude=80.0), point("2023-07-14 10:00")]
    found = check_coverage(MetCatalogue(archive()), receptors, -6)
    assert [result.status for result in found] == ["covered", "not covered", "covered"]
    assert "lies outside the weather's grid" in found[1].detail
    assert "-111.5, 80" in found[1].detail


def test_every_point_of_a_receptor_must_be_inside(archive):
    spread = MultiPointReceptor(
        time="2023-07-14 12:00",
        longitudes=[-111.5, -60.0],
        latitudes=[40.5, 40.5],
        altitudes=[5.0, 5.0],
    )
    (found,) = check_coverage(MetCatalogue(archive()), [spread], -6)
    assert found.outside_grid
    assert "-60, 40.5" in found.detail


def test_a_forward_run_needs_the_hours_after(archive):
    (found,) = check_coverage(MetCatalogue(archive()), [point("2023-07-14 20:00")], 6)
    assert [str(time)[8:13] for time in found.missing] == ["15T00", "15T01", "15T02"]
