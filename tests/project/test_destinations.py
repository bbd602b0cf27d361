"""Results replace earlier results of their kind, and nothing else that a person names."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import stilt_fakes as fakes
import xarray as xr
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.destinations import file_to_write, folder_to_fill
from stilt.errors import UsageError
from stilt.execution import run_batch
from stilt.inversion.layouts import write_ct_lagrange, write_npz
from stilt.report import write_report
from tests.inversion.test_inversion import coarse


@pytest.fixture
def case(tmp_path, faked):
    """A project as a person has it: with results, weather and notes of their own."""
    model = stilt.Model(tmp_path / "case", receptors=fakes.receptors(2), config=fakes.config())
    run_batch(str(model.output_root), model.register_pending())
    model.index.fold()
    root = Path(model.project)
    (root / "met").mkdir(exist_ok=True)
    xr.Dataset({"wind": ("x", np.ones(3))}).to_netcdf(root / "met" / "weather.nc")
    (root / "notes.txt").write_text("mine")
    return model


def export(*arguments: object):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def contents(root: Path) -> dict[str, bytes]:
    """Return all files but the index, which reading may touch."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".stilt" not in path.parts
    }


@pytest.mark.parametrize(
    ("out", "how", "sentence"),
    [
        (".", "zarr", "is a folder that is not an earlier result"),
        ("met", "zarr", "is a folder that is not an earlier result"),
        ("..", "zarr", "is a folder that is not an earlier result"),
        ("config.yaml", "zarr", "is a file: name a folder"),
        ("config.yaml", "netcdf", "belongs to the project"),
        ("receptors.csv", "parquet", "belongs to the project"),
        ("met/weather.nc", "netcdf", "is not an earlier result of this kind"),
        ("notes.txt", "netcdf", "is not an earlier result of this kind"),
        ("notes.txt", "parquet", "is not an earlier result of this kind"),
        ("notes.txt", "files", "is a file: name a folder"),
        ("notes.txt/in", "netcdf", "is a file, so "),
        (".", "netcdf", "is a folder: name a file in it"),
        ("met", "parquet", "is a folder: name a file in it"),
        ("simulations/footprints", "files", "belongs to the project"),
        ("simulations/new", "ct-lagrange", "belongs to the project"),
        (".stilt/new.nc", "netcdf", "belongs to the project"),
        ("s3://bucket/new.nc", "netcdf", "is a URL"),
        ("new/deep/x.nc --name nera", "netcdf", "There is no footprint 'nera'"),
        ("new/deep/x.nc --error", "netcdf", "has no error run"),
        ("new/deep/x.nc --particles --error", "netcdf", "config.yaml has no error run"),
        ("new/deep --from 2090-01-01", "ct-lagrange", "No simulations are selected"),
    ],
)
def test_an_export_refuses_in_a_sentence_and_changes_nothing(case, monkeypatch, out, how, sentence):
    monkeypatch.chdir(case.project)
    before = contents(Path(case.project).parent)
    done = export(case.project, *out.split(), "--format", how)
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr
    assert contents(Path(case.project).parent) == before
    assert not Path("new").exists()
    assert not list(Path(case.project).parent.rglob("*.tmp"))


def test_devices_and_sockets_are_not_replaced(case, tmp_path):
    os.mkfifo(tmp_path / "pipe.nc")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s.nc"))
        for path in ("/dev/null", tmp_path / "pipe.nc", tmp_path / "s.nc"):
            with pytest.raises(UsageError, match="is a device, pipe or socket"):
                case.footprints["default"].export(path, format="netcdf")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("name", ["out.nc", "out.zarr", "out.parquet", "out/"])
def test_an_earlier_export_is_replaced(case, tmp_path, name):
    for _ in range(2):
        assert case.footprints["default"].export(f"{tmp_path}/{name}") == 2
        assert case.trajectories.export(f"{tmp_path}/p{name}") == 2


def test_a_zarr_group_with_something_of_a_person_s_is_kept(case, tmp_path):
    case.footprints["default"].export(tmp_path / "out.zarr")
    (tmp_path / "out.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an earlier result"):
        case.footprints["default"].export(tmp_path / "out.zarr")
    xr.Dataset({"a": ("x", np.ones(3))}).to_zarr(tmp_path / "met.zarr", consolidated=False)
    with pytest.raises(UsageError, match="not an earlier result"):
        case.footprints["default"].export(tmp_path / "met.zarr")
    (tmp_path / "new.zarr").mkdir()
    assert case.footprints["default"].export(tmp_path / "new.zarr") == 2


def test_a_link_to_a_zarr_group_stays_a_link(case, tmp_path):
    case.footprints["default"].export(tmp_path / "there.zarr")
    (tmp_path / "out.zarr").symlink_to("there.zarr")
    assert case.footprints["default"].export(tmp_path / "out.zarr") == 2
    assert (tmp_path / "out.zarr").is_symlink()
    assert sorted(path.name for path in tmp_path.glob("*out.zarr*")) == ["out.zarr"]


def test_files_of_other_programs_are_not_replaced_by_files_of_that_name(case, tmp_path):
    folder = tmp_path / "out"
    case.footprints["default"].export(folder, format="files")
    last = sorted(folder.iterdir())[-1]
    for path in folder.iterdir():
        path.unlink()
    last.write_text("mine")
    with pytest.raises(UsageError, match="not an earlier result"):
        case.footprints["default"].export(folder, format="files")
    assert [path.name for path in folder.iterdir()] == [last.name]
    assert last.read_text() == "mine"


def test_inputs_that_are_reached_by_a_link_are_inputs(case, tmp_path):
    (tmp_path / "link.csv").symlink_to(Path(case.project) / "receptors.csv")
    (tmp_path / "folder").symlink_to(case.project)
    for path in (tmp_path / "link.csv", tmp_path / "folder" / "config.yaml"):
        with pytest.raises(UsageError, match="belongs to the project"):
            file_to_write(path)
    with pytest.raises(UsageError, match="belongs to the project"):
        folder_to_fill(tmp_path / "folder" / "simulations" / "new")


def test_folders_of_other_programs_may_be_called_as_those_of_a_project(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1")
    assert file_to_write(tmp_path / "store" / "x.nc") == tmp_path / "store" / "x.nc"
    assert folder_to_fill(tmp_path / "simulations") == tmp_path / "simulations"


def test_pages_and_jacobians_leave_a_project_alone(case, tmp_path):
    root = Path(case.project)
    before = contents(root)
    jacobian = coarse()
    for write in (
        lambda: write_report(case, root / "simulations" / "report.html"),
        lambda: write_report(case, root),
        lambda: write_npz(jacobian, root / "receptors.csv"),
        lambda: write_ct_lagrange(jacobian, root),
    ):
        with pytest.raises(UsageError, match=r"belongs to the project|is a folder"):
            write()
    assert contents(root) == before
    for _ in range(2):
        write_ct_lagrange(jacobian, tmp_path / "matrices")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "cells.csv").write_text("mine")
    with pytest.raises(UsageError, match="not an earlier result"):
        write_ct_lagrange(jacobian, tmp_path / "tables")
