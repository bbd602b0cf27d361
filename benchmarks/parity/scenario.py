"""One weather with settings of one kind, and the runs that both programs make on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.parity.invented import Invention, write_weather

NIGHT = "2023-07-10 12:00"


@dataclass(frozen=True)
class Scenario:
    """One weather with settings of one kind.

    Attributes:
        name: of the scenario.
        weather: what the files hold.
        receptors: keyword arguments of receptors, the time as text.
        settings: configuration fields, by the same names in both programs.
        hours: length of the mean runs; negative goes back.
        cloud_hours: length of the run with turbulence.
        interval_h, hours_per_file: of the weather.
    """

    name: str
    weather: Invention
    receptors: tuple[dict, ...]
    settings: dict = field(default_factory=dict)
    hours: int = -18
    cloud_hours: int = -6
    interval_h: int = 1
    hours_per_file: int = 24
    start: str = "2023-07-10T00:00"
    length_h: int = 30

    def at_night(self) -> Scenario:
        """The same, from just before sunrise in its own longitudes, back through the night."""
        receptors = tuple({**receptor, "time": NIGHT} for receptor in self.receptors)
        return replace(self, receptors=receptors, hours=-10)

    def folder(self, root: Path) -> Path:
        return root / self.name

    def make_weather(self, root: Path) -> Path:
        """Write the scenario's files unless they are there."""
        met = self.folder(root) / "met"
        if not met.is_dir():
            temporary = met.with_name("met.partial")
            write_weather(
                self.weather,
                temporary,
                np.datetime64(self.start),
                self.length_h,
                interval_h=self.interval_h,
                hours_per_file=self.hours_per_file,
            )
            temporary.rename(met)
        return met

    def runs(self, root: Path) -> list[tuple[str, dict, dict]]:
        """Name, receptor and settings of every run."""
        out = []
        for number, receptor in enumerate(self.receptors):
            mean = {"numpar": 1, "nturb": 1, "n_hours": self.hours}
            if receptor.get("kind") == "column":
                mean["numpar"] = 5
            if receptor.get("kind") == "multipoint":
                mean["numpar"] = len(receptor["altitudes"])
            cloud = {"numpar": 60, "krand": 2, "seed": 3, "n_hours": self.cloud_hours}
            out.append((f"mean{number}", receptor, {**mean, **self.settings}))
            out.append((f"cloud{number}", receptor, {**cloud, **self.settings}))
        return out
