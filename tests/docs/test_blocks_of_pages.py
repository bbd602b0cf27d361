"""Every block of code in README and the pages is executed, read or checked, whatever its language.

Python runs, page by page and block after block, beside a small project that has been run. YAML is
read as configuration, JSON and SQL are parsed, and every command line must name a command and
options that there are; those of the pages in COMMANDS_RUN are run.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import duckdb
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from click.testing import CliRunner

import stilt
from stilt.cli import cli
from stilt.config import ModelConfig
from stilt.execution.backend import get_executor

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
WRITTEN = ("reference", "tutorials")
"""Folders whose pages are made from code; tests of their own look at them."""

TEXTS = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(PAGES.glob("*.md"))]
}
LANGUAGES = {"python", "yaml", "json", "bash", "sql", "r", "text", ""}

# Other tests run the code of these pages, on files that they need.
ELSEWHERE = {
    f"docs/pages/{name}.md" for name in ("wrf", "looking-at-weather", "store", "gallery", "buckets")
}

TOWER = "hrrr_202307152100_-111.85_40.77_30"
CONFIG = """\
mets:
  hrrr: {{directory: {met}, file_format: "%Y%m%d_%H", file_tres: 6h}}
footprints:
  default:
    grid: {{xmin: -113, xmax: -111, ymin: 40, ymax: 41.5, xres: 0.1, yres: 0.1}}
n_hours: -4
numpar: 30
seed: 1
siguverr: 2.6
tluverr: 260
zcoruverr: 450
horcoruverr: 14
"""
RECEPTORS = """\
time,longitude,latitude,altitude,site,sounding_id
2023-07-15 18:00,-111.85,40.77,30,WBB,2023071518001234
2023-07-15 21:00,-111.85,40.77,30,WBB,2023071521001234
"""


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", TEXTS[page], re.S | re.M)
    return [body for name, body in found if name == language]


def pages_with(language: str) -> list[str]:
    return [page for page in TEXTS if blocks(page, language) and page not in ELSEWHERE]


@pytest.fixture(scope="module")
def ran(api: str, weather: Path, tmp_path_factory) -> Path:
    """A folder with a project that has been run, and files that pages name."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "case").mkdir()
    (folder / "case" / "config.yaml").write_text(CONFIG.format(met=weather))
    (folder / "case" / "receptors.csv").write_text(RECEPTORS)
    model = stilt.Model(project=folder / "case")
    model.run().raise_for_failures()
    flux_field("inventory").to_dataset(name="co2").to_netcdf(folder / "inventory.nc")
    for name in ("CT2022.molefrac_glb3x2_2023-07-15.nc",):
        mole_fractions().to_netcdf(folder / name)
    return folder


def flux_field(name: str, value: float = 2.0) -> xr.DataArray:
    lon, lat = np.arange(-113.95, -110, 0.1), np.arange(39.05, 42.5, 0.1)
    return xr.DataArray(
        np.full((lat.size, lon.size), value), {"lat": lat, "lon": lon}, ("lat", "lon"),
        name=name, attrs={"units": "umol m-2 s-1"},
    )  # fmt: skip


def mole_fractions() -> xr.Dataset:
    """A field in CarbonTracker's layout, the same everywhere."""
    times = pd.date_range("2023-07-15", periods=9, freq="3h")
    lat, lon = np.arange(30.0, 51, 2), np.arange(-129.0, -89, 3)
    edges = np.linspace(103000.0, 100.0, 11)
    shape = (times.size, edges.size, lat.size, lon.size)
    dims = ("time", "level", "latitude", "longitude")
    middle = (shape[0], shape[1] - 1, *shape[2:])
    return xr.Dataset(
        {
            "co2": (dims, np.full(middle, 415.0), {"units": "micromol mol-1"}),
            "pressure": (
                ("time", "boundary", *dims[2:]),
                np.broadcast_to(edges[:, None, None], shape).copy(), {"units": "Pa"},
            ),
        },
        coords={"time": times, "latitude": lat, "longitude": lon},
    )  # fmt: skip


@pytest.fixture
def world(ran: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of that folder, which is the current one."""
    folder = tmp_path / "world"
    shutil.copytree(ran, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def names_of_pages(folder: Path) -> dict[str, object]:
    """What the code of pages takes for granted, where it does not say where it comes from."""
    model = stilt.Model(project=folder / "case")
    foot = model.footprints["default"].load()[0]
    return {
        "stilt": stilt, "xr": xr, "pd": pd, "model": model, "sim_id": TOWER, "foot": foot,
        "receptor": model.receptors[0], "flux": flux_field("flux"),
        "fossil": flux_field("fossil", 3.0), "gee": flux_field("gee", -4.0),
        "respiration": flux_field("respiration", 2.0),
        "target": flux_field("cells"),
        "time_bins": pd.date_range("2023-07-15", periods=5, freq="6h"),
    }  # fmt: skip


def run_realizations(world: Path) -> None:
    """Make a project whose simulations are run twice."""
    shutil.copytree(world / "case", world / "ensemble", symlinks=True)
    with (world / "ensemble" / "config.yaml").open("a") as file:
        file.write("\nrealizations: 2\n")
    ensemble = stilt.Model(project=world / "ensemble")
    ensemble.register_pending()
    stilt.push_simulations(ensemble, ensemble.pending())


def as_run(text: str, weather: Path) -> str:
    """A block with the places of an example replaced by those of the test; films are short."""
    footprints = f"case/simulations/footprints/{TOWER}_default_foot.nc"
    text = text.replace("/data/hrrr", str(weather)).replace("…_default_foot.nc", footprints)
    return text.replace("animate(footprint)", "animate(footprint, frames=3)")


def test_every_block_has_a_language_that_is_looked_at() -> None:
    found = {
        (page, name)
        for page, text in TEXTS.items()
        for name in re.findall(r"^```(\w*)[^\n]*\n.*?^```", text, re.S | re.M)
    }
    assert {name for _, name in found} <= LANGUAGES
    code = re.compile(r"^(import|from|stilt |model|footprint)", re.M)
    unnamed = [page for page in TEXTS for body in blocks(page, "") if code.search(body)]
    assert unnamed == [], "give these blocks a language"


@pytest.mark.filterwarnings("ignore::stilt.errors.WeatherWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", pages_with("python"))
def test_python_of_a_page_runs(page: str, world: Path, weather: Path, monkeypatch) -> None:
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("agg")
    if page in ("README.md", "docs/pages/start.md"):
        shutil.rmtree(world / "case")  # these begin with nothing
        names: dict[str, object] = {}
        weather = early_weather(world)
    else:
        names = names_of_pages(world)
    if page == "docs/pages/uncertainty.md":
        run_realizations(world)
    for number, block in enumerate(blocks(page, "python")):
        code = as_run(block, weather)
        exec(compile(code, f"{page}, block {number + 1}", "exec"), names)
    pyplot.close("all")


def early_weather(folder: Path) -> Path:
    """Weather for the receptor of the first example, which was measured on New Year's Day."""
    from stilt.demo import write_demo_weather

    write_demo_weather(folder / "early", first="2022-12-31T06:00", n_files=6)
    (folder / "tower-20230101.csv").write_text(
        "time,longitude,latitude,altitude\n2023-01-01 13:00,-111.85,40.77,30\n"
    )
    return folder / "early"


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_yaml_of_a_page_is_a_configuration(page: str, tmp_path: Path) -> None:
    met = {"hrrr": {"directory": "met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}}
    (tmp_path / "my_weights.py").write_text("")
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        assert isinstance(content, dict), block
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"mets": met} | content))
        get_executor(ModelConfig.from_yaml(path).execution)


@pytest.mark.parametrize("page", pages_with("json"))
def test_json_of_a_page_is_json(page: str) -> None:
    for block in blocks(page, "json"):
        json.loads(block)


def test_the_document_of_a_command_is_as_the_page_shows_it(stilt_command, world: Path) -> None:
    (shown,) = blocks("docs/pages/terminal.md", "json")
    told = json.loads(stilt_command("stilt status case --json").stdout)
    expected = json.loads(shown)
    assert list(told) == list(expected)
    assert expected["result"].keys() <= told["result"].keys()


@pytest.fixture
def stilt_command():
    return lambda line: CliRunner().invoke(cli, shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize("page", [*pages_with("sql"), "docs/pages/store.md"])
def test_sql_of_a_page_is_sql(page: str) -> None:
    for block in blocks(page, "sql"):
        assert duckdb.extract_statements(block)


# --- command lines ---------------------------------------------------------------------------


def command_lines(text: str) -> list[str]:
    """Lines of blocks, fenced or indented, and code within sentences, that call `stilt`."""
    found = []
    for line in text.splitlines():
        if (begun := re.match(r"^(?: {4})?(?:\S+ && )?(stilt [a-z-].*)$", line)) is not None:
            found.append(begun.group(1))
    found += re.findall(r"(?<!`)`(stilt [a-z][^`]*)`", text)
    return found


def unknown_words(line: str) -> list[str]:
    """Commands and options of a command line that there are not."""
    line = re.split(r"\s+#| && | \| | > |; ", line)[0]
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        words = line.split()[1:]
    command: click.Command = cli
    unknown = []
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            if word not in command.commands:
                return [word]
            command = command.commands[word]
        elif word.startswith("-") and not re.match(r"^-[\d.]|^-$", word):
            known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
            if word.partition("=")[0] not in known | {"--help", "-h", "--version"}:
                unknown.append(word)
    return unknown


def test_unknown_words_are_found() -> None:
    assert unknown_words("stilt run ./case --n-workers 4   # fast") == []
    assert unknown_words("stilt run ./case --n-worker 4") == ["--n-worker"]
    assert unknown_words("stilt weather shou") == ["shou"]
    assert unknown_words('stilt weather show "2023-07-15 18:00" -111.85 40.77 ./case') == []
    assert unknown_words("stilt status ./case --json | jq .result.failed") == []


@pytest.mark.parametrize("page", list(TEXTS))
def test_commands_of_a_page_are_there(page: str) -> None:
    wrong = {
        line: unknown for line in command_lines(TEXTS[page]) if (unknown := unknown_words(line))
    }
    assert wrong == {}


# Not run: they wait until they are interrupted, need a server, a cluster or a network.
NOT_RUN = {"ui", "serve", "deploy", "demo", "submit", "fetch", "push-worker", "completion"}
COMMANDS_RUN = {"README.md", "docs/pages/pictures.md", "docs/pages/start.md"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", sorted(COMMANDS_RUN))
def test_commands_of_a_page_run(page: str, world: Path, stilt_command) -> None:
    lines = [
        line
        for line in re.findall(r"^(?: {4})?(stilt [a-z-].*)$", TEXTS[page], re.M)
        if line.split()[1] not in NOT_RUN and "weather fetch" not in line
    ]
    assert lines
    for line in lines:
        command = line
        if command.startswith("stilt init"):
            command = command.replace("./case", "./new")
        done = stilt_command(command.replace("202301011200_-111.85_40.77_5", TOWER[5:]))
        assert done.exit_code == 0, f"{line}\n{done.output}"
