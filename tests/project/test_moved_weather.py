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

    def run(directory: str, layout: str = "files") -> Path:
        home = tmp_path / "home"
        shutil.copytree(weather, home / "met")
        root = project_files(home / "case")
        edit(root, str(weather), directory)
        edit(root, "seed: 1", f"seed: 1\noutput: {{layout: {layout}}}")
        model = stilt.Model(project=root)
        stilt.push_simulations(model, model.register_pending())
        assert model.status()["completed"] == 3
        return root

    return run


def edit(root: Path, old: str, new: str, name: str = "config.yaml") -> None:
    path = root / name
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


@pytest.mark.parametrize("layout", ["files", "store"])
def test_weather_that_was_moved_twice_keeps_what_was_made_in_either_place(ran, tmp_path, layout):
    places = [tmp_path / "home" / "met", tmp_path / "second", tmp_path / "third"]
    root = ran(str(places[0]), layout)
    first = dict(stilt.Model(project=root).simulations.items())
    receptors = (root / "receptors.csv").read_text()
    places[0].rename(places[1])
    edit(root, str(places[0]), str(places[1]))
    # Another receptor alone, in the second place, while the first results are stale.
    edit(root, "2023-07-15 20:00", "2023-07-15 21:00", "receptors.csv")
    model = stilt.Model(project=root)
    late = [sim_id for sim_id in model.register_pending() if "202307152100" in sim_id]
    stilt.push_simulations(model, late)
    edit(root, "2023-07-15 21:00,-111.85,40.77,30\n", "", "receptors.csv")
    (root / "receptors.csv").write_text(receptors + "2023-07-15 21:00,-111.85,40.77,30\n")

    places[1].rename(places[2])
    edit(root, str(places[1]), str(places[2]))
    model = stilt.Model(project=root)
    assert model.status()["stale"] == 4
    (sentence,) = moved_weather(model.files)
    line = sentence.partition("write ")[2].partition(" below")[0]
    assert line in (
        f'moved_from: ["{one}", "{other}"]' for one, other in (places[:2], places[1::-1])
    )
    # One place keeps what was made there, and the other is still named.
    edit(root, f"directory: {places[2]}", f'directory: {places[2]}\n    moved_from: "{places[0]}"')
    model = stilt.Model(project=root)
    assert (model.status()["completed"], model.status()["stale"]) == (3, 1)
    assert f'write moved_from: ["{places[0]}", "{places[1]}"]' in moved_weather(model.files)[0]
    assert len(model.footprints["default"].open().receptor) == 3

    edit(root, f'moved_from: "{places[0]}"', line)
    model = stilt.Model(project=root)
    assert model.status()["completed"] == 4
    assert moved_weather(model.files) == []
    assert model.footprints["default"].open().sizes["receptor"] == 4
    assert model.trajectories.open().sizes["receptor"] == 4
    assert model.index.output_sizes(model.files.expectations).followed == 1.0
    # New grids are filled with the particles that are there.
    edit(root, "ymax: 41.5", "ymax: 41.4")
    model = stilt.Model(project=root)
    assert len(model.files.with_trajectories(sorted(first))) == 3
    stilt.push_simulations(model, model.register_pending())
    assert model.status()["completed"] == 4
    (by,) = model.index.read(
        lambda connection: connection.execute(
            "SELECT count(DISTINCT transport_key) FROM simulations"
        ).fetchall(),
        [],
    )
    assert by == (2,)


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
