from pathlib import Path

from stilt.config import ModelConfig
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
    assert f"Error: '{tmp_path}' already contains a config.yaml. Aborting." in result.stderr
    assert config.read_text() == "mine: true\n"
    assert not (tmp_path / "receptors.csv").exists()


def test_receptors_of_ones_own_are_kept(stilt, tmp_path: Path) -> None:
    receptors = tmp_path / "receptors.csv"
    receptors.write_text("time,lon,lat,zagl\n2020-02-02 00:00,0,50,10\n")
    assert stilt("init", tmp_path).exit_code == 0
    assert "zagl" in receptors.read_text()
