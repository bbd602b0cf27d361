"""Labels of receptors come back with every table of results."""

import pandas as pd
import pytest
import stilt_fakes as fakes
import xarray as xr
from inline_backend import Inline

import stilt


@pytest.fixture
def labelled(tmp_path, faked):
    receptors = [
        receptor.with_labels({"site": f"s{number % 2}", "sounding": number, "state": "fine"})
        for number, receptor in enumerate(fakes.receptors(4))
    ]
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=fakes.config())
    model.run(executor=Inline())
    return model


def flux():
    lat, lon = [39.5, 40.5, 41.5], [-112.5, -111.5, -110.5]
    return xr.DataArray(
        [[1.0] * 3] * 3, coords={"lat": lat, "lon": lon}, dims=("lat", "lon"),
        attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:The flux covers only", "ignore:.*go on into the next time bin")
def test_labels_are_columns_of_every_table_of_results(labelled):
    foot = labelled.footprints["default"]
    by_id = {f"fake_{r.id}": dict(r.labels) for r in labelled.receptors}
    frame = labelled.simulations.to_frame().set_index("sim_id")
    tables = {
        "frame": frame,
        "enhancement": foot.enhancement(flux()),
        "jacobian": foot.jacobian(flux(), pd.date_range("2022-12-31", periods=3)).receptors,
    }
    for name, table in tables.items():
        assert len(table) == 4, name
        for sim_id, row in table.iterrows():
            assert (row["site"], row["sounding"]) == tuple(by_id[sim_id].values())[:2], name
    # A label called like a column of the table keeps out of its way.
    assert set(frame["state"]) == {"complete"}
    assert set(frame["label_state"]) == {"fine"}
    assert frame["sounding"].dtype.kind == "i"


def test_labels_are_in_the_sql_view_of_receptors_and_in_single_simulations(labelled):
    found = labelled.index.sql(
        "SELECT site, count(*) AS n, min(altitude) AS low FROM receptors GROUP BY site ORDER BY 1"
    )
    assert found.to_dict("list") == {"site": ["s0", "s1"], "n": [2, 2], "low": [5.0, 5.0]}
    sim_id = labelled.simulations.keys()[1]
    assert labelled.simulations[sim_id].receptor.labels["sounding"] == 1


def test_changed_labels_are_seen_without_computing_again(labelled):
    changed = [r.with_labels({"site": "new"}) for r in labelled.receptors]
    again = stilt.Model(labelled.project, receptors=changed, config=fakes.config())
    assert again.pending() == []
    assert set(again.simulations.to_frame()["site"]) == {"new"}
    read = stilt.Model(labelled.project)
    assert {r.labels["site"] for r in read.receptors} == {"new"}


def test_middles_of_columns_and_sets_are_in_the_view_on_the_dateline_too(tmp_path, faked):
    receptors = [
        stilt.ColumnReceptor("2023-01-01", 10, 20, 0, 3000),
        stilt.MultiPointReceptor("2023-01-01", [179, -177], [0, 2], [10, 30]),
    ]
    model = stilt.Model(tmp_path / "case", receptors=receptors, config=fakes.config())
    model.register_pending()
    found = model.index.sql(
        "SELECT kind, longitude, latitude, altitude FROM receptors ORDER BY kind"
    )
    assert found.values.tolist() == [["column", 10, 20, 1500], ["multipoint", -179, 1, 20]]
