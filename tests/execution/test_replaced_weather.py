"""Weather files replaced under their name: noticed where it counts, and only there."""

import os
import shutil

import numpy as np
import pytest
import stilt_fakes as fakes
from synthetic_weather import GRID, START, Laboratory

import stilt
from stilt.execution import push_simulations, run_batch
from stilt.meteorology import writer
from stilt.meteorology.arl import read_index
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.fingerprint import WeatherCheck, fingerprint

REAL_SELECT, REAL_ASSESS = MetCatalogue.select, MetCatalogue.assess


def write_weather(path, temperature, periods=3):
    lab = Laboratory(path.parent)
    fields = [({"TEMP": temperature}, {}) for _ in range(periods)]
    lab.weather(*fields, start=START - np.timedelta64(12, "h"))
    made = next(path.parent.glob("weather_*"))
    os.replace(made, path)
    return path


@pytest.fixture
def model(tmp_path, faked, monkeypatch):
    """Two simulations with fake transport and a real weather file."""
    monkeypatch.setattr(MetCatalogue, "select", REAL_SELECT)
    monkeypatch.setattr(MetCatalogue, "assess", REAL_ASSESS)
    met = tmp_path / "met"
    met.mkdir()
    write_weather(met / "lab_20230715", 300.0)
    mets = {"fake": {"directory": met, "file_format": "lab_%Y%m%d", "file_tres": "24h"}}
    receptors = [stilt.PointReceptor(f"2023-07-15 0{hour}:00", 0.0, 0.0, 5.0) for hour in (8, 9)]
    return stilt.Model(tmp_path / "case", receptors, fakes.config(mets=mets))


def test_other_weather_under_the_same_name_makes_outputs_stale(model, steer):
    ids = model.register_pending()
    push_simulations(model, ids)
    assert model.status()["completed"] == 2
    write_weather(model.config.mets["fake"].directory / "lab_20230715", 301.0)
    assert (model.status()["stale"], model.status()["completed"]) == (2, 0)
    assert model.simulations.ids(state="stale") == ids
    assert model.pending() == ids
    push_simulations(model, ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)
    assert model.status()["completed"] == 2
    assert model.pending() == []


def test_a_batch_notices_by_itself_and_the_files_alone_tell(model, steer):
    ids = model.register_pending()
    push_simulations(model, ids)
    write_weather(model.config.mets["fake"].directory / "lab_20230715", 301.0)
    shutil.rmtree(model.layout.state)
    model.rebuild()
    assert model.status()["stale"] == 2
    assert run_batch(str(model.output_root), ids).n_complete == 2
    assert fakes.starts(steer) == dict.fromkeys(ids, 2)


def test_weather_that_was_touched_copied_or_removed_changes_nothing(model, steer):
    ids = model.register_pending()
    push_simulations(model, ids)
    path = model.config.mets["fake"].directory / "lab_20230715"
    shutil.copyfile(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)
    os.utime(path, (1, 1))
    assert model.status()["completed"] == 2
    path.unlink()
    assert model.status()["completed"] == 2
    assert model.pending() == []
    run_batch(str(model.output_root), ids)
    assert fakes.starts(steer) == dict.fromkeys(ids, 1)


def test_later_hours_in_a_file_leave_earlier_ones_as_they_were(tmp_path):
    path = write_weather(tmp_path / "lab", 300.0, periods=2)
    catalogue = stilt.MetConfig(directory=tmp_path, file_format="lab", file_tres="24h")
    refs = MetCatalogue(catalogue).select(
        START - np.timedelta64(11, "h"), START - np.timedelta64(8, "h")
    )
    recorded = fingerprint(refs)
    write_weather(path, 300.0, periods=4)
    assert not WeatherCheck(None).has_changed([str(path)], recorded)
    write_weather(path, 299.0, periods=4)
    assert WeatherCheck(None).has_changed([str(path)], recorded)


def test_files_without_checksums_count_by_size_and_date(tmp_path, monkeypatch):
    monkeypatch.setattr("stilt.meteorology.writer.calculate_checksum", lambda payload: 0)
    path = write_weather(tmp_path / "lab", 300.0)
    recorded = fingerprint(read_index(path))
    assert not WeatherCheck(None).has_changed([str(path)], recorded)
    os.utime(path, (1, 1))
    assert WeatherCheck(None).has_changed([str(path)], recorded)


def test_fields_without_a_checksum_are_noticed_by_their_values(tmp_path, monkeypatch):
    real_pack, real_sum = writer.pack, writer.calculate_checksum
    packed = []

    def pack(field):
        packed.append(field)
        return real_pack(field)

    def checksum(payload):
        is_temperature = abs(float(packed[-1].mean()) - 300.0) < 20.0
        return 0 if is_temperature else real_sum(payload)

    monkeypatch.setattr(writer, "pack", pack)
    monkeypatch.setattr(writer, "calculate_checksum", checksum)
    temperature = np.full((GRID.ny, GRID.nx), 300.0)
    temperature[5, 5] = temperature[15, 15] = 310.0
    path = write_weather(tmp_path / "lab", temperature)
    recorded = fingerprint(read_index(path))
    os.utime(path, (1, 1))
    assert not WeatherCheck(None).has_changed([str(path)], recorded)
    # Neither the first value of the field nor its largest difference tells of this.
    temperature[15, 15], temperature[14, 14] = 300.0, 310.0
    write_weather(path, temperature)
    assert WeatherCheck(None).has_changed([str(path)], recorded)


def test_two_boxes_of_one_archive_are_complete_together(tmp_path, model, steer):
    mets = {
        name: stilt.MetConfig(
            **model.config.mets["fake"].model_dump(include={"directory", "file_format"}),
            file_tres="24h",
            subgrid_enable=True,
            subgrid_buffer=0.0,
            subgrid_bounds={"xmin": -size, "xmax": size, "ymin": -size, "ymax": size},
        )
        for name, size in [("small", 0.06), ("large", 0.08)]
    }
    both = stilt.Model(tmp_path / "both", list(model.receptors), fakes.config(mets=mets))
    ids = both.register_pending()
    push_simulations(both, ids)
    assert both.status()["completed"] == 4
    assert both.pending() == []
    write_weather(mets["small"].directory / "lab_20230715", 301.0)
    assert both.status()["stale"] == 4
    push_simulations(both, both.pending())
    assert both.status()["completed"] == 4
    assert both.pending() == []
