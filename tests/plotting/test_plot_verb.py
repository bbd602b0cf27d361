"""`stilt plot` writes the pictures that were asked for, or one sentence."""

import json
import re
from pathlib import Path

import matplotlib.image
import pytest
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.cli.pictures import KINDS
from stilt.roots import shown


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
    path = tmp_path / ("one.gif" if kind == "animation" else "one.png")
    options = ["--kind", kind, "--out", path, "--dpi", 50]
    options += ["--frames", 3] if kind == "animation" else []
    done = call(model.project, *named, *options)
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(path)]
    assert (matplotlib.image.imread(path) / 255.0).std() > 0.0001, "nothing is drawn"


def test_without_an_id_the_mean_is_drawn_here(case) -> None:
    model, _ = case
    done = call(model.project, "--json", "--size", "4,3", "--dpi", 50)
    assert json.loads(done.output)["result"] == ["case_mean.png"]
    assert matplotlib.image.imread("case_mean.png").shape[:2] == (150, 200)


def test_pictures_of_two_footprints_do_not_take_each_other_s_place(case, tmp_path) -> None:
    model, ids = case
    for named in ([], [ids[0]]):
        options = ["--name", "default", "--dpi", 50, "--out", f"{tmp_path}/named/"]
        done = call(model.project, *named, *options)
        assert done.exit_code == 0, done.output
    written = sorted(path.name for path in (tmp_path / "named").iterdir())
    assert written == sorted(["case_default_mean.png", f"{ids[0]}_default_map.png"])


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
        (["nothing"], "'nothing' is no part of an id in this project, such as fake_"),
        (["fake_"], "'fake_' is a part of 3 ids"),
        (
            ["--kind", "map"],
            "shows one simulation: name it, or give --each. There are 3, such as fake_",
        ),
        (["{id}", "--name", "nope"], "There is no footprint 'nope': the choices are default."),
        (["{id}", "--format", "docx"], "Pictures cannot be written as '.docx': choose "),
        (["{id}", "--hour", "77"], "There is no layer 77"),
        (["{id}", "--kind", "animation", "--format", "png"], "A film cannot be written as '.png'"),
        (["{late}"], "it is pending. `stilt explain "),
        (["--extent", "1,2"], "'1,2' is not 4 numbers with commas between them."),
        (["--location", "WBB"], "No receptor of this project is at 'WBB'"),
        (["--location", "WBB"], "nor an id of a place: known are -111.85_40.77_5."),
        (["--each", "--out", "one.png"], "3 pictures do not fit into one.png"),
        (
            ["--from", "2090-01-01"],
            "None of the 2 results (footprint 'default') is in this selection",
        ),
        (["--from", "01.02.2023"], "write it as YYYY-MM-DD"),
        (["--hour", "3"], "--hour has no effect on a picture of the kind 'mean'"),
        (["--frames", "3"], "or draw one of the kind animation with --kind."),
        (["--kind", "series", "--vmax", "3"], "--vmax has no effect"),
        (["{id}", "--hours", "2"], "--hours has no effect on a picture of the kind 'map'"),
        (["--dpi", "0"], "0 is not in the range"),
        (["--dpi", "100000"], "lower its size in inches, or the dots per inch."),
        (["--size", "0,0"], "needs a width and a height in inches, above 0"),
        (["--kind", "series", "--size", "0,3"], "needs a width and a height in inches, above 0"),
        (["{id}", "--kind", "particles", "--size", "3,nan"], "needs a width and a height"),
        (["{id}", "--kind", "animation", "--fps", "0"], "A film needs a rate above 0"),
        (["{id}", "--kind", "animation", "--dpi", "100000"], "lower its size in inches"),
        (["--out", "/dev/null/x.png"], "/dev/null is a file, so"),
        (["--out", "{project}/simulations/new.png"], "belongs to the project"),
        (["{id}", "--out", "{project}/.stilt/new.png"], "belongs to the project"),
    ],
)
def test_mistakes_are_one_sentence(arguments, sentence: str, case) -> None:
    model, ids = case
    filled = [text.format(id=ids[0], late=ids[2], project=model.project) for text in arguments]
    done = call(model.project, *filled)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


def test_a_place_is_named_by_its_site_or_its_id(make_model, tmp_path) -> None:
    model = make_model(0)
    places = {"WBB": (-111.85, 40.77), "HDP": (-111.65, 40.56)}
    receptors = [
        stilt.PointReceptor(f"2023-01-01 0{hour}:00", *at, 5.0, labels={"site": site})
        for site, at in places.items()
        for hour in range(3 if site == "WBB" else 2)
    ]
    stilt.push_simulations(model, model.register_pending(receptors))
    for given, number in (
        (["WBB"], 3),
        (["HDP"], 2),
        (["-111.65_40.56_5"], 2),
        (["WBB", "-111.65_40.56_5"], 5),
    ):
        options = [word for place in given for word in ("--location", place)]
        done = call(model.project, "--each", "--out", f"{tmp_path}/{number}/", "--json", *options)
        assert len(json.loads(done.stdout)["result"]) == number
        out = tmp_path / f"{number}-files"
        export = ["export", str(model.project), str(out), "--format", "files", "--json", *options]
        told = CliRunner().invoke(cli, export)
        assert json.loads(told.stdout)["result"]["simulations"] == number
    done = call(model.project, "--location", "UOU")
    assert done.exit_code == 2
    assert "No receptor of this project is at 'UOU'" in done.stderr
    assert "known are HDP, WBB." in done.stderr
    done = call(model.project, "WBB")
    assert done.exit_code == 2
    assert "'WBB' is a place, with simulations of its own: " in done.stderr
    assert f"`stilt plot {shown(model.project)} --location WBB`" in " ".join(done.stderr.split())


def test_code_of_the_page_on_pictures_runs(case) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "pages" / "pictures.md"
    model, ids = case
    stored = model.footprints["default"][ids[0]].data["time"].values[-1]
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    assert blocks
    names = {"stilt": stilt, "model": model, "sim_id": ids[0]}
    for block in blocks:
        dated = block.replace("2023-07-15 18:00", str(stored)[:16])
        dated = re.sub(r"2023-07-(\d\d)", r"2022-12-\1", dated).replace("2022-12-21", "2023-01-02")
        exec(
            compile(
                dated.replace("animate(footprint)", "animate(footprint, frames=2)"), page, "exec"
            ),
            names,
        )
    assert Path("film.gif").stat().st_size > 1000
