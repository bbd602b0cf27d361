import json
from pathlib import Path

import pytest

from stilt.config import ModelConfig
from stilt.config.templates import TEMPLATES
from stilt.receptors import read_receptors


def test_init_writes_a_project_that_reads(stilt, tmp_path: Path) -> None:
    root = tmp_path / "case"
    result = stilt("init", root)
    assert result.exit_code == 0
    assert f"Initialized STILT project at '{root}'" in result.output
    assert len(result.output.splitlines()) == 3
    assert ModelConfig.from_yaml(root / "config.yaml").numpar == 1000
    assert len(read_receptors(root / "receptors.csv")) == 1


def test_an_existing_project_is_refused_and_untouched(stilt, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("mine: true\n")
    result = stilt("init", tmp_path)
    assert result.exit_code == 2
    assert f"Error: '{tmp_path}' has a config.yaml already: edit that, or name" in result.stderr
    assert config.read_text() == "mine: true\n"
    assert not (tmp_path / "receptors.csv").exists()


def test_receptors_of_ones_own_are_kept(stilt, tmp_path: Path) -> None:
    receptors = tmp_path / "receptors.csv"
    receptors.write_text("time,lon,lat,zagl\n2020-02-02 00:00,0,50,10\n")
    assert stilt("init", tmp_path).exit_code == 0
    assert "zagl" in receptors.read_text()


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_a_template_lacks_nothing_but_its_weather(stilt, tmp_path: Path, name: str) -> None:
    root = tmp_path / "case"
    begun = stilt("init", root, "--template", name)
    assert begun.exit_code == 0
    assert (root / "met").is_dir()
    checked = stilt("check", root, "--json")
    answer = json.loads(checked.stdout)
    assert checked.exit_code == 1, checked.output
    assert answer["warnings"] == []
    assert {entry["reason"] for entry in answer["result"]} == {"MISSING_MET_FILES"}
    receptors = read_receptors(root / "receptors.csv")
    assert len(answer["result"]) == len(receptors) > 1


def test_templates_are_named_in_the_help(stilt) -> None:
    shown = stilt("init", "--help").stdout
    assert all(name in shown for name in TEMPLATES)
    assert stilt("init", "somewhere", "--template", "mars").exit_code == 2


def test_comments_of_a_template_stand_in_columns() -> None:
    for template in TEMPLATES.values():
        assert max(map(len, template.config.splitlines())) <= 100


def test_lines_to_take_from_the_comments_are_settings(tmp_path: Path) -> None:
    """Whoever takes the # away gets what the comment says."""
    text = TEMPLATES["satellite"].config
    begin = text.index("    # transforms:")
    end = text.index("\n\n", begin)
    weights = text[begin:end].replace("    # ", "    ")
    (tmp_path / "config.yaml").write_text(text[:begin] + weights + text[end:])
    transforms = ModelConfig.from_yaml(tmp_path / "config.yaml").footprints["column"].transforms
    assert [each["kind"] for each in transforms] == ["averaging_kernel", "pressure_weighting"]
    assert transforms[0]["table"] == "observations/oco2-kernels.parquet"
    grib = TEMPLATES["hrrr"].config.replace('    file_format: "%Y%m%d_%H"', "    #")
    grib = grib.replace("    file_tres: 6h", "    #").replace("    # format:", "    format:")
    (tmp_path / "config.yaml").write_text(grib)
    assert ModelConfig.from_yaml(tmp_path / "config.yaml").mets["hrrr"].format == "hrrr"
