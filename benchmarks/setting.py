"""What both sides compute: weather, receptors, particles, footprint grid, as projects of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = [
    "time", "indx", "long", "lati", "zagl", "foot", "mlht", "pres", "dens", "samt", "sigw", "tlgr",
]  # fmt: skip
GRID = {"xmin": -114.5, "xmax": -110.5, "ymin": 38.5, "ymax": 42.0, "xres": 0.01, "yres": 0.01}
FIRST_TIME = np.datetime64("2023-07-15T00:00")
SPREAD_MINUTES = 18 * 60
MET = "basin"

# Fractions of the golden ratio and of a number like it in two dimensions spread points evenly.
_STEP_LON, _STEP_LAT = 0.7548776662466927, 0.5698402909980532
_HEIGHTS_M = (5.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Setting:
    """Weather and run controls that both sides share.

    Attributes:
        weather: folder of ARL files that cover the receptors' times and ``hours`` before.
        file_format: strftime pattern of their names.
        file_tres: time that one file covers.
        hours: length of a run, negative backward.
    """

    weather: Path
    file_format: str
    file_tres: str
    hours: int

    @property
    def met(self) -> dict[str, str]:
        """The entry under ``mets`` in the configuration of either side."""
        folder = str(self.weather.resolve())
        return {"directory": folder, "file_format": self.file_format, "file_tres": self.file_tres}


def receptors(number: int) -> pd.DataFrame:
    """Receptors in the basin, evenly spread over 18 hours, to the minute.

    Returns:
        time, longitude and latitude (degrees), altitude (m above ground), by time.
    """
    index = np.arange(number)
    minutes = SPREAD_MINUTES * index // max(1, number - 1)
    return pd.DataFrame(
        {
            "time": FIRST_TIME + minutes.astype("timedelta64[m]"),
            "longitude": np.round(-113.3 + 1.5 * ((0.5 + index * _STEP_LON) % 1.0), 4),
            "latitude": np.round(39.4 + 1.6 * ((0.5 + index * _STEP_LAT) % 1.0), 4),
            "altitude": np.resize(_HEIGHTS_M, number),
        }
    )


def some_of(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Evenly chosen rows, the middle one when one is asked for."""
    if number == 1:
        return table.iloc[[len(table) // 2]]
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, number).round().astype(int))]


def write_our_project(
    folder: Path,
    setting: Setting,
    table: pd.DataFrame,
    particles: int,
    *,
    kept: bool,
    device: str = "auto",
    layout: str = "files",
) -> Path:
    """Write config.yaml and receptors.csv for us; trajectories are kept or not."""
    config = {
        "mets": {MET: setting.met},
        "footprints": {"default": {"grid": GRID}},
        "n_hours": setting.hours,
        "numpar": particles,
        "varsiwant": COLUMNS,
        "trajectories": kept,
        "output": {"layout": layout},
        "execution": {"device": device},
    }
    return _write(folder, config, table)


def write_pystilt_project(
    folder: Path, setting: Setting, table: pd.DataFrame, particles: int
) -> Path:
    """Write the same for pystilt, which keeps all trajectories."""
    config = {
        "mets": {MET: setting.met},
        "grid": GRID,
        "variants": {MET: {}},
        "n_hours": setting.hours,
        "numpar": particles,
        "varsiwant": COLUMNS,
        "output": "./output",
    }
    return _write(folder, config, table)


def _write(folder: Path, config: dict, table: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps(config, indent=1) + "\n")
    table.to_csv(folder / "receptors.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")
    return folder


def synthetic_weather(folder: Path) -> Path:
    """Write the demo's weather for 24 hours before the first receptor to the last one's time."""
    from stilt.demo.synthetic_fields import DemoWeather
    from stilt.meteorology.writer import write_arl

    weather = DemoWeather()
    hour = np.timedelta64(1, "h")
    first, last = FIRST_TIME - 24 * hour, FIRST_TIME + SPREAD_MINUTES * np.timedelta64(1, "m")
    folder.mkdir(parents=True, exist_ok=True)
    for start in np.arange(first, last + hour, 6 * hour):
        path = folder / f"{start.item():%Y%m%d_%H}"
        hours = [time for time in start + np.arange(6) * hour if time <= last + hour]
        if not path.exists():
            write_arl(path, weather.grid, [weather.analysis(time) for time in hours])
    return folder
