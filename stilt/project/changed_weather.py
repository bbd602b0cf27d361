"""Find outputs that were made from weather files whose content has changed since."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def weather_pairs(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return recorded pairs of weather files (JSON) and what they held."""
    return connection.execute(
        "SELECT DISTINCT met_files, weather FROM simulations WHERE weather <> ''"
    ).fetchall()


def changed_weather(pairs: Iterable[tuple[str, str]], cache_dir: Path) -> list[tuple[str, str]]:
    """Return the pairs of weather files (JSON) and recorded content whose content has changed.

    Args:
        pairs: of :func:`weather_pairs`.
        cache_dir: folder with the indexes of weather files.
    """
    told = [(files, weather) for files, weather in pairs if weather]
    if not told:
        return []
    from stilt.meteorology.fingerprint import WeatherCheck

    check = WeatherCheck(cache_dir)
    return [pair for pair in told if check.has_changed(json.loads(pair[0]), pair[1])]
