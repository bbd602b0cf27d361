"""Find stale outputs that were made from weather which is in another folder now."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stilt.project.keys import Expectation, expectations, parse_footprint_keys
from stilt.roots import is_url

if TYPE_CHECKING:
    import duckdb

    from stilt.config import ModelConfig
    from stilt.project.inputs import Project

_Made = tuple[str, str | None, str, str, str]


def moved_weather(project: Project) -> list[str]:
    """Say of which meteorologies the folder differs from those that outputs were made from.

    The content key of such outputs is that of the present configuration with a folder that is
    recorded with them, so nothing else of transport and weather has changed.

    Args:
        project: the project.

    Returns:
        A sentence for each meteorology, with what to write in config.yaml.
    """
    expected = project.expected
    # Whether its analyses are where the weather is now, by folder, by meteorology.
    found: dict[str, dict[str, bool]] = {}
    nothing: list[_Made] = []
    for met, transport, footprints, files, weather in project.index.read(_made, nothing):
        if expected is None or met not in expected:
            continue
        have = {transport, *parse_footprint_keys(footprints)[0].values()} - {None}
        paths = json.loads(files)
        if have & _keys(expected[met]):
            continue
        for folders in _former_folders(project.config, met, paths):
            former = _with_weather_from(project.config, folders)
            root, kernels = project.layout.root, project.kernels
            if have & _keys(expectations(former, root, kernels)[met]):
                is_same = _holds_the_same(project, folders, paths, weather)
                for name, folder in folders.items():
                    there = found.setdefault(name, {})
                    there[folder] = is_same and there.get(folder, True)
                break
    return [_sentence(project, name, folders) for name, folders in found.items()]


def _made(connection: duckdb.DuckDBPyConnection) -> list[_Made]:
    """Return the different content keys of outputs, with the weather of one of each."""
    return connection.execute(
        """SELECT met, transport_key, footprint_keys, any_value(met_files), any_value(weather)
        FROM simulations WHERE met_files LIKE '["%' GROUP BY ALL"""
    ).fetchall()


def _keys(expected: Expectation) -> set[str]:
    return {*expected.keys.values(), *expected.former}


def _former_folders(config: ModelConfig, met: str, paths: list[str]) -> Iterator[dict[str, str]]:
    """Yield folders in which a meteorology, and those it is nested in, may have been."""
    parents = {str(each): None for path in paths if not is_url(path) for each in Path(path).parents}
    names = [name for name in config.nest_of(met) if len(config.mets[name].places) == 1]
    for chosen in itertools.product((None, *parents), repeat=len(names)):
        if any(chosen):
            yield {name: folder for name, folder in zip(names, chosen, strict=True) if folder}


def _with_weather_from(config: ModelConfig, folders: Mapping[str, str]) -> ModelConfig:
    """Return the configuration that says where weather was."""
    moved = {
        name: config.mets[name].model_copy(update={"moved_from": (folder,)})
        for name, folder in folders.items()
    }
    return config.model_copy(update={"mets": {**config.mets, **moved}})


def _holds_the_same(
    project: Project, folders: Mapping[str, str], paths: list[str], weather: str
) -> bool:
    """Return whether files of the same names, where the weather is now, hold the same analyses."""
    now = []
    for path in paths:
        for name, folder in folders.items():
            place = project.config.mets[name].places[0]
            if isinstance(place, Path) and Path(path).is_relative_to(folder):
                path = str(project.layout.root / place / Path(path).relative_to(folder))
                break
        now.append(path)
    return all(map(_is_there, now)) and not project.has_other_weather(now, weather)


def _is_there(path: str) -> bool:
    return is_url(path) or Path(path).exists()


def _sentence(project: Project, name: str, folders: Mapping[str, bool]) -> str:
    met = project.config.mets[name]
    said = (
        f"The weather '{name}' of these outputs was in {' and '.join(folders)}, and is looked for "
        f"in {met.where} now"
    )
    same = [folder for folder, is_same in folders.items() if is_same]
    if not same:
        return f"{said}, where the same analyses are not found."
    line = [*met.moved_from, *same]
    return (
        f"{said}, which holds the same analyses: write moved_from: "
        f"{json.dumps(line if len(line) > 1 else line[0])} below {name} in config.yaml, and they "
        "stay valid."
    )
