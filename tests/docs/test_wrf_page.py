"""Code of the page on WRF runs as written, on a small file."""

import re
from pathlib import Path

import numpy as np
import yaml

from benchmarks.weather_files.truth import truth
from benchmarks.weather_files.wrf_files import lambert_attributes, wrf_dataset, write_wrf
from stilt.config import MetConfig

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "wrf.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.S)


def test_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    analyses = []
    for hour in (15, 16, 17):
        raw = truth(np.datetime64(f"2023-07-15T{hour}:00", "m"))
        raw.upper["DZDT"] = 0.0 * raw.upper["WWND"]
        analyses.append(raw)
    attributes = lambert_attributes(analyses[0].grid, 40.77, 40.77)
    write_wrf(tmp_path / "wrf", wrf_dataset(analyses, attributes))
    for block in blocks("python"):
        exec(compile(block, "wrf.md", "exec"), {})
    assert "2023-07-15T15:00 60 50" in capsys.readouterr().out


def test_config_of_the_page_is_accepted():
    for block in blocks("yaml"):
        for met in yaml.safe_load(block)["mets"].values():
            assert MetConfig(**met).format == "wrf"
