"""`stilt plot` writes the pictures that were asked for, or one sentence."""

import json

import matplotlib.image
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.cli.pictures import KINDS


@pytest.fixture
def case(make_model, monkeypatch, tmp_path):
    """A project of three simulations, the last of which has not run, and a folder for pictures."""
    model = make_model(3)
    ids = model.register_pending()
    stilt.push_simulations(model, ids[:2])
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path / "pictures")
    return model, ids


def call(*arguments: object):
    return CliRunner().invoke(cli, ["plot", *map(str, arguments)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture(kind: str, case, tmp_path) -> None:
    model, ids = case
    named = [] if kind in ("mean", "series") else [ids[0]]
    done = call(model.project, *named, "--kind", kind, "--out", tmp_path / "one.png", "--dpi", 50)
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(tmp_path / "one.png")]
    assert matplotlib.image.imread(tmp_path / "one.png").std() > 0.02, "nothing is drawn"


def test_without_an_id_the_mean_is_drawn_here(case) -> None:
    model, _ = case
    done = call(model.project, "--json", "--size", "4,3", "--dpi", 50)
    assert json.loads(done.output)["result"] == ["case_mean.png"]
    assert matplotlib.image.imread("case_mean.png").shape[:2] == (150, 200)


def test_one_of_each_and_what_has_none_is_named(case, tmp_path) -> None:
    model, ids = case
    done = call(model.project, "--each", "--out", f"{tmp_path}/all/", "--format", "svg")
    assert done.exit_code == 0
    written = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert written == sorted(f"{sim_id}_map.svg" for sim_id in ids[:2])
    assert f"{ids[2]} has no footprint: it is pending. `stilt explain " in done.stderr


def test_options_reach_the_picture(case, tmp_path, monkeypatch) -> None:
    from stilt.plotting.footprints import FootprintPlots

    seen = {}
    draw = FootprintPlots.map

    def noting(self, time=None, **keywords):
        seen.update(keywords, time=time)
        return draw(self, time, **keywords)

    monkeypatch.setattr(FootprintPlots, "map", noting)
    model, ids = case
    options = ["--hour", "0", "--linear", "--whole-grid", "--vmax", "2", "--cmap", "magma_r"]
    options += ["--no-outlines", "--title", "Mine", "--size", "5x4", "--shares", "0.5,0.9"]
    assert call(model.project, ids[0], *options).exit_code == 0
    assert seen == {
        "time": 0, "log": False, "zoom": False, "vmax": 2.0, "cmap": "magma_r", "title": "Mine",
        "outlines": False, "figsize": (5.0, 4.0), "shares": (0.5, 0.9),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "'nothing' is not registered in this project: see `stilt status`."),
        (["fake_"], "'fake_' is a part of 3 ids"),
        (["--kind", "map"], "shows one simulation: name it, or give --each. There are 3"),
        (["{id}", "--name", "nope"], "There is no footprint 'nope': there are default."),
        (["{id}", "--format", "docx"], "Pictures cannot be written as '.docx': choose "),
        (["{id}", "--hour", "77"], "There is no layer 77"),
        (["{late}"], "it is pending. `stilt explain "),
        (["--extent", "1,2"], "'1,2' is not 4 numbers with commas between them."),
        (["--each", "--out", "one.png"], "3 pictures do not fit into one.png"),
        (["--from", "2090-01-01"], "There is no footprint to draw"),
        (["--from", "01.02.2023"], "write it as YYYY-MM-DD"),
    ],
)
def test_mistakes_are_one_sentence(arguments, sentence: str, case) -> None:
    model, ids = case
    filled = [text.format(id=ids[0], late=ids[2]) for text in arguments]
    done = call(model.project, *filled)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
