"""config.yaml: mistakes name their line, round trips lose nothing that has meaning."""

import pickle
from pathlib import Path

import pytest
import yaml

from stilt.config import MetConfig, ModelConfig, is_same, starter_yaml, yaml_text
from stilt.errors import ConfigValidationError

MET = {"directory": "/data/met", "file_format": "%Y%m%d_%H", "file_tres": "1h"}
GRID = {"xmin": -113, "xmax": -110.5, "ymin": 40, "ymax": 42, "xres": 0.01, "yres": 0.01}
MET_LINES = "mets:\n  hrrr: {directory: /d, file_format: '%Y', file_tres: 1h}\n"

FULL = ModelConfig(
    mets={
        "hrrr": {
            **MET,
            "subgrid_enable": True,
            "subgrid_bounds": {"xmin": -114, "xmax": -110, "ymin": 39, "ymax": 43},
        },
        "nam": {"directory": "/data/nam", "source": "nams", "domain": "ak"},
    },
    grids={"slc": GRID},
    footprints={
        "default": {"grid": "slc", "error": True, "smooth_factor": 0.5},
        "wide": {
            "grid": {**GRID, "xres": 1e-2, "projection": "+proj=longlat +datum=WGS84"},
            "transforms": [{"kind": "first_order_lifetime", "lifetime_hours": 1 / 3}],
        },
    },
    n_hours=48,
    seed=7,
    ziscale=[1, 0.5],
    tkerd=1e-5,
    siguverr=2.6,
    tluverr=260,
    zcoruverr=450,
    horcoruverr=0,
    execution={"backend": "prefect", "n_workers": 3, "pool": "k8s", "limits": {"cpu": 2}},
)  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def run(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return ModelConfig.from_yaml(path)

    return run


@pytest.mark.parametrize("config", [FULL, ModelConfig(mets={"hrrr": MET})])
def test_writing_and_reading_gives_the_same_configuration(tmp_path, config):
    path = tmp_path / "new" / "config.yaml"
    text = config.to_yaml(path)
    assert path.read_text() == text
    again = ModelConfig.from_yaml(path)
    assert again == config
    assert is_same(again, config)
    assert again.to_yaml() == text
    assert pickle.loads(pickle.dumps(again)) == config
    assert [file.name for file in path.parent.iterdir()] == ["config.yaml"]


def test_empty_sections_and_settings_without_meaning_are_not_written():
    keys = yaml.safe_load(ModelConfig(mets={"hrrr": MET}).to_yaml())
    assert not {"grids", "footprints", "execution", "kspl", "delt", "seed", "siguverr"} & set(keys)
    assert {"mets", "n_hours", "numpar", "varsiwant", "kmixd"} <= set(keys)


def test_named_grids_stay_named():
    written = yaml.safe_load(FULL.to_yaml())
    assert written["footprints"]["default"]["grid"] == "slc"
    assert written["execution"] == {
        "backend": "prefect",
        "n_workers": 3,
        "pool": "k8s",
        "limits": {"cpu": 2},
    }


def test_the_starter_file_reads_and_keeps_its_order(read):
    text = starter_yaml()
    config = read(text)
    assert (config.n_hours, config.numpar) == (-24, 1000)
    assert list(yaml.safe_load(text)) == [
        "mets", "footprints", "n_hours", "numpar", "varsiwant", "hnf_plume", "skip_existing",
    ]  # fmt: skip
    assert config == ModelConfig(
        mets={"hrrr": {**MET, "directory": "/path/to/arl/meteorology"}},
        footprints={"default": GRID},
        numpar=1000,
    )


def test_the_commented_execution_block_of_the_starter_file_works(read):
    start, block = starter_yaml().split("# execution:")
    text = start + "execution:" + block.replace("\n# ", "\n")
    assert read(text).execution.n_workers == 4


def test_yaml_of_comments_and_empty_sections_reads(read):
    config = read("# note\n" + MET_LINES + "grids:\nfootprints:\nexecution:\ntkerd: 1e-3\n")
    assert config.footprints == {}
    assert config.tkerd == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"config\.yaml is empty"),
        ("- a\n", "must hold 'key: value' lines"),
        (MET_LINES + "n_hour: 3\n", r"config\.yaml, line 3: unknown key 'n_hour': .*'n_hours'"),
        (MET_LINES + "numpar: many\n", "line 3: numpar: input should be a valid integer.*'many'"),
        ("mets:\n  a:\n    directory: /d\n    file_fmt: x\n", "line 4: mets.a: unknown key"),
        ("numpar: 5\n", "mets: at least one meteorology"),
        (MET_LINES + "footprints:\n  f:\n    grid: g\n", "line 5: footprints.f.grid: references"),
        (
            MET_LINES + "footprints:\n  f:\n    xmin: 1\n    xmax: oops\n",
            "line 6: footprints.f.grid.xmax: input should be a valid number",
        ),
        (MET_LINES + "numpar: 5\nnumpar: 6\n", "line 4: 'numpar' is given twice, first in line 3"),
        (MET_LINES + "kspl: 7\n", "line 3: kspl: 7 is not supported"),
        (MET_LINES + "siguverr: 7\n", "line 3: siguverr: Inconsistent XY/ZI"),
        (MET_LINES + "varsiwant: [time]\n", "line 3: varsiwant: hnf_plume=True requires"),
        ("mets:\n  a:\n    file_format: %Y\n", "line 3: not valid YAML.*quotes"),
        ("mets: [1\n", "not valid YAML"),
        ("mets: " + "[" * 3000, "nested too deep"),
        (MET_LINES + "n_hours: -1:30\n", "line 3: n_hours: input should be a valid integer.*1:30"),
        (MET_LINES + "realizations: 1000000\n", "line 3: realizations: .*1000"),
        (MET_LINES + "3: 4\n", "3 cannot be a key"),
        (MET_LINES + "yes: 4\n", "True cannot be a key"),
        (
            MET_LINES
            + "footprints:\n  f:\n    grid: {xmin: 0, xmax: 1, ymin: 0, ymax: 1, xres: .1, "
            "yres: .1}\n    transforms:\n    - kind: first_order_lifetime\n"
            "      lifetime_hours: -1\n",
            "line 8: footprints.f.transforms.0.lifetime_hours",
        ),
    ],
)
def test_mistakes_name_file_and_line(read, text, message):
    with pytest.raises(ConfigValidationError, match=message):
        read(text)


def test_numbers_are_those_that_people_mean(read):
    config = read(MET_LINES + "numpar: 050\nhnf_plume: true\nveght: 5e-1\nseed: 1e3\n")
    assert (config.numpar, config.veght, config.seed) == (50, 0.5, 1000)


@pytest.mark.parametrize("value", ["050", "1e3", "1:30", "12", "yes", "0x10", ".5", 50, 1e-5, 1e20])
def test_what_is_written_is_read_as_the_same(value):
    assert yaml_text.load(yaml_text.dump({"key": [value]})) == {"key": [value]}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml"):
        ModelConfig.from_yaml(tmp_path / "nowhere.yaml")


def test_relative_weather_folders_are_found_beside_the_file_and_kept_as_written(tmp_path):
    project, elsewhere = tmp_path / "case", tmp_path / "out"
    (project / "met").mkdir(parents=True)
    text = MET_LINES.replace("/d", "met")
    (project / "config.yaml").write_text(text)
    config = ModelConfig.from_yaml(project / "config.yaml")
    assert config.mets["hrrr"].directory == project / "met"
    assert (
        yaml.safe_load(config.to_yaml(project / "copy.yaml"))["mets"]["hrrr"]["directory"] == "met"
    )
    assert ModelConfig.from_yaml(project / "copy.yaml") == config
    # In another folder the relative name would lead astray.
    config.to_yaml(elsewhere / "config.yaml")
    assert ModelConfig.from_yaml(elsewhere / "config.yaml") == config


def test_a_folder_relative_to_the_working_directory_survives_being_written(tmp_path, monkeypatch):
    (tmp_path / "met").mkdir()
    monkeypatch.chdir(tmp_path)
    config = ModelConfig(mets={"hrrr": MetConfig(**{**MET, "directory": "met"})})
    config.to_yaml(tmp_path / "case" / "config.yaml")
    monkeypatch.chdir(Path("/"))
    assert ModelConfig.from_yaml(tmp_path / "case" / "config.yaml") == config


def test_environment_names_are_written_as_names(tmp_path, monkeypatch):
    monkeypatch.setenv("WEATHER", str(tmp_path))
    config = ModelConfig(mets={"hrrr": {**MET, "directory": "$WEATHER"}})
    assert config.mets["hrrr"].directory == tmp_path
    assert "directory: $WEATHER" in config.to_yaml()


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("mets:\n\thrrr: {}\n", r"line 2: .*\(indent with spaces, not with tabs\)"),
        ("mets:\n  hrrr:\n    file_format: %Y\n", r"line 3: .*begins with % or @ in quotes"),
    ],
)
def test_what_yaml_cannot_read_is_answered_with_what_to_change(tmp_path, text, advice):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigValidationError, match=advice):
        ModelConfig.from_yaml(tmp_path / "config.yaml")
