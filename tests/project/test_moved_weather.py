"""Results whose weather was moved stay valid, of themselves or with one line of configuration."""

import shutil
from pathlib import Path

import pytest

import stilt
from stilt.errors import UsageError
from stilt.project.moved_weather import moved_weather


@pytest.fixture
def ran(project_files, weather, tmp_path):
    """A function that computes a project in ``home/case`` with weather in ``home/met``."""

    def run(directory: str) -> Path:
        home = tmp_path / "home"
        shutil.copytree(weather, home / "met")
        root = project_files(home / "case")
        edit(root, str(weather), directory)
        model = stilt.Model(project=root)
        stilt.push_simulations(model, model.register_pending())
        assert model.status()["completed"] == 3
        return root

    return run


def edit(root: Path, old: str, new: str) -> None:
    path = root / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_project_moves_with_weather_beside_it(ran):
    home = ran("../met").parent
    moved = home.rename(home.with_name("elsewhere"))
    assert stilt.Model(project=moved / "case").status()["completed"] == 3


def test_weather_behind_a_link_counts_by_its_own_place(ran, weather, tmp_path):
    root = ran("../met")
    (tmp_path / "other").mkdir()
    shutil.move(root.parent / "met", tmp_path / "other")
    (root.parent / "met").symlink_to(tmp_path / "other" / "met")
    assert stilt.Model(project=root).status()["stale"] == 3


def test_moved_weather_is_named_and_one_line_accepts_it(ran, tmp_path):
    old, new = tmp_path / "home" / "met", tmp_path / "archive"
    root = ran(str(old))
    old.rename(new)
    edit(root, str(old), str(new))
    model = stilt.Model(project=root)
    assert model.status()["stale"] == 3
    (sentence,) = moved_weather(model.files)
    assert f"was in {old}, and is looked for in {new} now, which holds the same" in sentence
    with pytest.raises(UsageError, match="nothing to open") as error:
        model.footprints["default"].export(tmp_path / "out.nc")
    assert sentence in str(error.value)

    line = f'moved_from: "{old}"'
    assert line in sentence
    edit(root, f"directory: {new}", f"directory: {new}\n    {line}")
    model = stilt.Model(project=root)
    assert model.status()["completed"] == 3
    assert model.footprints["default"].export(tmp_path / "out.nc") == 3
    assert moved_weather(model.files) == []


def test_other_weather_of_the_same_names_is_not_called_moved(ran, tmp_path):
    old, new = tmp_path / "home" / "met", tmp_path / "archive"
    root = ran(str(old))
    old.rename(new)
    files = sorted(path for path in new.rglob("*") if path.is_file())
    for path in files:
        path.rename(path.with_suffix(".tmp"))
    for path, other in zip(files, [*files[1:], files[0]], strict=True):
        path.with_suffix(".tmp").rename(other)
    edit(root, str(old), str(new))
    (sentence,) = moved_weather(stilt.Model(project=root).files)
    assert "the same analyses are not found" in sentence
    assert "moved_from" not in sentence


def test_other_settings_are_not_taken_for_moved_weather(ran, tmp_path):
    old, new = tmp_path / "home" / "met", tmp_path / "archive"
    root = ran(str(old))
    old.rename(new)
    edit(root, str(old), str(new))
    edit(root, "numpar: 20", "numpar: 21")
    assert moved_weather(stilt.Model(project=root).files) == []
