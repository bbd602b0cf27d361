"""Draws what is in an archive of each kind of weather files, for the pages on these.

    python docs/weather_pictures.py

The archives hold the demo's invented atmosphere as each product has it, for a day or so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.parity.format_writers import KINDS
from stilt.config import MetConfig
from stilt.meteorology.archive import list_met
from stilt.plotting.coverage import save_coverage

PICTURES = Path(__file__).parent / "pages" / "pictures"

PAGES = {
    "era5": "era5-pressure",
    "wrf": "wrf",
    "hrrr": "hrrr-native",
    "gfs": "gfs",
    "zarr-stores": "era5-zarr",
    "cf-datasets": "cf",
}
"""Kind of file by page."""


def main() -> None:
    """Write a picture for each page."""
    for page, name in PAGES.items():
        kind = KINDS[name]
        with tempfile.TemporaryDirectory() as folder:
            kind.write(Path(folder) / "met", kind.analyses())
            met = MetConfig(directory=Path(folder) / "met", format=kind.form)
            print(save_coverage([list_met(met, page)], PICTURES / f"weather-{page}.png"))


if __name__ == "__main__":
    main()
