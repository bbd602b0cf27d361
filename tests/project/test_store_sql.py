"""SQL over the cells of footprints and the particles in a store."""

import pandas as pd
import pytest
import stilt_fakes as fakes

import stilt
from stilt.errors import UsageError
from stilt.execution import run_batch
from stilt.project import store_views

STORE = {"output": {"layout": "store"}}


@pytest.fixture
def model(make_model):
    model = make_model(6, **STORE)
    ids = model.register_pending()
    for part in (ids[:3], ids[3:]):
        run_batch(str(model.output_root), part)
    model.index.fold()
    return model


def test_cells_are_those_of_the_footprints(model):
    frame = model.index.sql(
        "SELECT sim_id, name, time, lat, lon, foot FROM footprint_cells ORDER BY ALL"
    )
    for one in model.footprints["default"].load():
        mine = frame[frame["sim_id"] == f"fake_{one.receptor.id}"]
        cells = one.data.to_series()
        cells = cells[cells > 0].sort_index()
        assert mine.set_index(["time", "lat", "lon"])["foot"].tolist() == cells.tolist()
    assert set(frame["name"]) == {"default"}


def test_who_saw_a_place_in_an_hour_is_one_line(model):
    found = model.index.sql(
        "SELECT sim_id, sum(foot) AS foot FROM footprint_cells WHERE time BETWEEN "
        "'2022-12-31 23:00' AND '2022-12-31 23:30' AND lat BETWEEN 40.5 AND 41 "
        "AND lon BETWEEN -112 AND -111.5 GROUP BY sim_id ORDER BY sim_id"
    )
    expected = {}
    for one in model.footprints["default"].load():
        times = slice("2022-12-31 23:00", "2022-12-31 23:30")
        there = one.data.sel(time=times, lat=slice(40.5, 41), lon=slice(-112, -111.5))
        if float(there.sum()) > 0:
            expected[f"fake_{one.receptor.id}"] = float(there.sum())
    assert dict(zip(found["sim_id"], found["foot"], strict=True)) == pytest.approx(expected)


def test_views_join_with_receptors_and_simulations(model):
    found = model.index.sql(
        "SELECT r.longitude, count(*) AS rows FROM particles p JOIN receptors r USING (sim_id) "
        "JOIN simulations s USING (sim_id) WHERE s.state = 'complete' GROUP BY ALL"
    )
    rows = sum(len(t) for t in model.trajectories.load())
    assert found.to_dict("records") == [{"longitude": -111.85, "rows": rows}]


def test_what_is_superseded_is_not_seen_twice(model, faked):
    ids = model.simulations.keys()
    before = model.index.sql("SELECT sim_id, count(*) AS n FROM footprint_cells GROUP BY ALL")
    run_batch(str(model.output_root), ids[1:5], skip_existing=False)
    assert fakes.starts(faked)[ids[1]] == 2
    # The receipt still waits; it counts all the same.
    after = model.index.sql("SELECT sim_id, count(*) AS n FROM footprint_cells GROUP BY ALL")
    key = ["sim_id"]
    pd.testing.assert_frame_equal(
        after.sort_values(key, ignore_index=True), before.sort_values(key, ignore_index=True)
    )


def test_a_query_can_read_the_store_and_nothing_else(model, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="cannot answer"):
        model.index.sql(f"SELECT * FROM footprint_cells, '{tmp_path}/secret.csv'")
    with pytest.raises(UsageError, match="cannot answer"):
        model.index.sql("SELECT nothing FROM footprint_cells")


def test_views_are_empty_where_there_is_no_store(make_model):
    model = make_model(2)
    assert model.index.sql("SELECT * FROM footprint_cells").empty
    model.register_pending()
    for view in store_views.VIEWS:
        assert model.index.sql(f"SELECT * FROM {view}").empty
    assert list(model.index.sql("SELECT lat, lon, foot, time FROM footprint_cells")) == [
        "lat", "lon", "foot", "time",
    ]  # fmt: skip


def test_a_view_of_outputs_in_files_says_where_they_are(make_model):
    model = make_model(2)
    run_batch(str(model.output_root), model.register_pending())
    sentence = r"footprint_cells shows .* footprints are 2 files: .*footprints\[NAME\]\.export"
    with pytest.raises(UsageError, match=sentence):
        model.index.sql("SELECT * FROM footprint_cells")
    with pytest.raises(UsageError, match=r"view particles shows .* are 2 files: .*trajectories"):
        model.index.sql("SELECT pres FROM particles")
    assert model.index.sql("SELECT * FROM error_particles").empty


def test_the_index_is_not_held_while_shards_are_read(model, monkeypatch):
    seen = []
    real = store_views.show_store

    def writes_meanwhile(*args):
        seen.append(stilt.Model(model.project).register_pending(scene_id="meanwhile"))
        return real(*args)

    monkeypatch.setattr(store_views, "show_store", writes_meanwhile)
    assert not model.index.sql("SELECT * FROM footprint_cells LIMIT 1").empty
    assert len(seen[0]) == 6


def test_shards_that_are_gone_are_left_out(model):
    next((model.layout.store / "footprints").rglob("*.parquet")).unlink()
    found = model.index.sql("SELECT DISTINCT sim_id FROM footprint_cells")
    assert len(found) == 3
