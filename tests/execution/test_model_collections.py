"""Collections of a model: lazy, of one selection, and what their members know."""

import numpy as np
import pandas as pd
import pytest
import stilt_fakes as fakes
import xarray as xr

import stilt
from stilt.errors import ConfigValidationError, UsageError
from stilt.execution import push_simulations


@pytest.fixture
def finished(make_model, steer):
    model = make_model(6, mets=two_mets())
    ids = model.register_pending()
    fakes.wish(steer, "fail", ids[1])
    fakes.wish(steer, "empty", ids[2])
    push_simulations(model, ids[:8])
    return model


def two_mets():
    met = {"directory": "met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
    return {"fake": met, "other": {**met, "directory": "met2"}}


def test_simulations_are_filtered_by_met_time_place_state_and_reason(finished):
    simulations = finished.simulations
    assert len(simulations) == len(simulations.keys()) == 12
    assert simulations.keys() == sorted(simulations.keys()) == list(simulations)
    assert len(simulations.ids(mets="fake")) == 6
    window = ("2023-01-01 00:10", "2023-01-01 00:20")
    assert len(simulations.ids(mets=["fake", "other"], time_range=window)) == 4
    assert len(simulations.ids(location_ids={"-111.85_40.77_5"})) == 12
    assert len(simulations.ids(location_ids="-111.85_40.77_5")) == 12
    with pytest.raises(UsageError, match=r"the place '0_0_0': known are -111\.85_40\.77_5"):
        simulations.ids(location_ids={"0_0_0"})
    assert len(simulations.incomplete(location_ids="-111.85_40.77_5")) == 5
    # A part of an id is none.
    with pytest.raises(UsageError, match=r"did you mean '-111\.85_40\.77_5'"):
        simulations.incomplete(location_ids="-111.85_40.77_")
    assert len(simulations.ids(footprint="default")) == 7
    assert len(simulations.ids(state="complete")) == 7
    assert len(simulations.ids(state=["failed"])) == 1
    assert simulations.ids(reason="NO_TRAJECTORY_DATA") == simulations.ids(state="failed")
    assert len(simulations.incomplete()) == 5
    assert len(simulations.incomplete(mets="fake", time_range=window)) == 1
    assert len(simulations.to_frame()) == 12
    with pytest.raises(ConfigValidationError, match="Unknown met name"):
        simulations.ids(mets="hrrr")


def test_incomplete_is_met_major_and_keeps_registered_ids_outside_the_receptors(finished):
    other = stilt.Model(finished.project, fakes.receptors(3, day=5), finished.config)
    found = other.simulations.incomplete()
    mine = [f"{met}_{r.id}" for met in ("fake", "other") for r in other.receptors]
    assert found[:6] == mine
    assert set(found[6:]) == set(finished.simulations.incomplete())


def test_collections_load_what_exists_and_name_what_is_missing(finished):
    assert len(finished.trajectories.paths()) == 7
    assert len(finished.trajectories.load(mets="other")) == 2
    assert len(finished.trajectories.missing()) == 5
    assert finished.trajectories.paths(error=True) == []
    footprints = finished.footprints
    assert list(footprints) == ["default"]
    assert len(footprints) == 1
    loaded = footprints["default"].load()
    assert sum(footprint.is_empty for footprint in loaded) == 1
    assert len(footprints["default"].missing(mets="fake")) == 1
    assert "default" in footprints
    with pytest.raises(KeyError, match="did you mean 'default'"):
        footprints["defualt"]


def test_collections_share_one_selection_and_the_ways_of_a_mapping(finished):
    footprints, trajectories = finished.footprints["default"], finished.trajectories
    for collection in (finished.simulations, footprints, trajectories):
        ids = list(collection)
        assert ids == collection.keys()
        assert len(collection) == len(ids)
        assert ids[0] in collection
        assert "fake_202301010000_1_2_3" not in collection
        with pytest.raises(KeyError):
            collection["fake_202301010000_1_2_3"]
        with pytest.raises(TypeError, match="unknown keyword 'mat'"):
            getattr(collection, "paths", finished.simulations.ids)(mat="fake")
        with pytest.raises(TypeError):
            getattr(collection, "paths", finished.simulations.ids)("fake")
    first = next(iter(footprints))
    assert footprints[first].receptor.id == first.partition("_")[2]
    assert not trajectories[first].particles.empty
    assert finished.simulations[first].project == finished.project


def test_an_empty_table_has_its_columns(tmp_path, finished):
    empty = stilt.Model(tmp_path / "nothing", [], fakes.config()).simulations.to_frame()
    assert empty.empty
    assert list(empty.columns) == list(finished.simulations.to_frame().columns)


def test_footprints_of_a_selection_become_one_result(finished):
    footprints = finished.footprints["default"]
    chosen = {"mets": "fake", "time_range": ("2023-01-01 00:00", "2023-01-01 00:40")}
    loaded = footprints.load(**chosen)
    ids = finished.simulations.ids(footprint="default", **chosen)
    totals = [footprint.total for footprint in loaded]
    # Four of five: one failed, and one of the four is empty.
    assert len(ids) == 4
    assert totals.count(0.0) == 1

    target = loaded[0].integrate_over_time()
    matrix = footprints.jacobian(target, ["2022-12-31", "2023-01-02"], **chosen)
    assert list(matrix.receptors.index) == ids
    assert matrix.total == pytest.approx(totals, rel=1e-6)
    assert matrix.matrix.shape == (4, target.size)

    flux = xr.full_like(target, 2.0, dtype=float).assign_attrs(units="umol m-2 s-1")
    table = footprints.enhancement(flux, **chosen)
    assert list(table.index) == ids
    assert table["enhancement_ppm"].to_numpy() == pytest.approx(2.0 * np.array(totals), rel=1e-6)

    assert float(footprints.sum(**chosen).sum()) == pytest.approx(sum(totals), rel=1e-6)
    assert float(footprints.mean(**chosen).sum()) == pytest.approx(sum(totals) / 4, rel=1e-6)
    assert len(footprints.select()) == 7


def test_footprints_are_selected_by_scene_and_an_empty_selection_is_said(finished):
    footprints = finished.footprints["default"]
    with pytest.raises(UsageError, match="Unknown scene 'tower': there are none"):
        footprints.select(scene_id="tower")
    finished.register_pending(scene_id="tower")
    assert len(footprints.select(scene_id="tower")) == len(footprints.paths()) == 7
    with pytest.raises(UsageError, match="nothing to sum"):
        footprints.mean(time_range=("2024-01-01", "2024-01-02"))


def test_a_simulation_knows_its_files_and_state(finished):
    simulations = finished.simulations
    done, failed, empty = simulations.keys()[0], simulations.keys()[1], simulations.keys()[2]
    simulation = simulations[done]
    assert simulations[done] is simulation
    assert simulation.status == "complete"
    assert simulations[failed].status == "failed:NO_TRAJECTORY_DATA"
    assert "Nothing came out" in simulations[failed].log
    assert simulations[failed].trajectories is None
    assert simulations[simulations.keys()[-1]].status is None
    assert simulations[empty].get_footprint("default").is_empty
    assert simulation.get_footprint("other") is None
    assert simulation.error_trajectories is None
    assert simulation.is_backward
    assert simulation.time_range == (
        simulation.receptor.time - pd.Timedelta(hours=2), simulation.receptor.time,
    )  # fmt: skip
    assert {path.name for path in simulation.files} == {
        simulation.trajectories_path.name, simulation.footprint_path("default").name,
    }  # fmt: skip
    assert simulation.met_files
    with pytest.raises(FileNotFoundError):
        simulation.log  # noqa: B018
    with pytest.raises(KeyError):
        simulations["fake_203001010000_1_2_3"]
    with pytest.raises(KeyError):
        simulations["nonsense"]


def test_one_simulation_can_be_computed_by_hand(make_model, steer):
    model = make_model(2)
    sim_id = f"fake_{model.receptors[1].id}"
    simulation = model.simulations[sim_id]
    footprint = simulation.generate_footprint()
    assert footprint.total > 0
    assert not simulation.directory.exists()
    simulation.generate_footprint("default", write=True)
    assert simulation.status == "complete"
    model.store_inputs()
    push_simulations(model, [sim_id])
    assert fakes.starts(steer)[sim_id] == 2
    with pytest.raises(ConfigValidationError, match="configured are default"):
        simulation.generate_footprint("nothing")
