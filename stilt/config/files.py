"""config.yaml as text: the mapping in it with the line of every key, and writing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from stilt.atomic import atomic_path
from stilt.config import yaml_text
from stilt.config.base import ConfigFieldError, Location, joined, problem_sentence
from stilt.config.execution import ExecutionConfig
from stilt.config.footprints import FootprintConfig
from stilt.config.geometry import Grid
from stilt.config.meteorology import MetConfig
from stilt.config.output import OutputConfig
from stilt.config.realizations import without_realizations
from stilt.config.run import ErrorParameters, RunControls
from stilt.config.support import SUPPORT
from stilt.config.transport import TransportParameters
from stilt.encoding import decode_utf8
from stilt.errors import ConfigValidationError, UsageError
from stilt.roots import Place, expanded, is_url

Lines = dict[Location, int]


@dataclass(frozen=True)
class ConfigText:
    """What a config.yaml holds.

    Attributes:
        path: the file.
        data: its mapping, weather folders made absolute where they exist beside the file.
        lines: line of each key.
        written: weather folders as written, by meteorology.
    """

    path: Path
    data: dict[str, Any]
    lines: Lines
    written: dict[str, str | tuple[str, ...]]

    def located(self, error: ConfigFieldError) -> ConfigValidationError:
        """Return an error with file and line of each mistake."""
        return ConfigValidationError(_located(error, self.path, self.lines))


def read_text(path: str | os.PathLike[str]) -> ConfigText:
    """Read config.yaml.

    Raises:
        FileNotFoundError: there is no such file.
        ConfigValidationError: it is not YAML, or holds no mapping.
    """
    path = Path(path)
    try:
        text = decode_utf8(path.read_bytes(), path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"Configuration not found: {path}") from error
    except OSError as error:
        raise ConfigValidationError(f"{path} cannot be read: {error}") from error
    except UsageError as error:
        raise ConfigValidationError(str(error)) from error
    data, lines = _parse(text, path)
    return ConfigText(path, data, lines, _resolve_directories(data, path.parent))


class Configuration(Protocol):
    """What is written: :class:`stilt.config.ModelConfig`."""

    @property
    def mets(self) -> Mapping[str, MetConfig]:
        """Meteorologies by name."""

    @property
    def realizations(self) -> int:
        """Realizations of every simulation, whose meteorologies are not written."""

    @property
    def grids(self) -> Mapping[str, Grid]:
        """Named grids."""

    @property
    def footprints(self) -> Mapping[str, FootprintConfig]:
        """Footprints by name."""

    @property
    def output(self) -> OutputConfig:
        """How results are laid out."""

    @property
    def execution(self) -> ExecutionConfig:
        """Who computes."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values of every field."""


def config_text(config: Configuration, folder: Path | None) -> str:
    """Return config.yaml as text, for a file in ``folder`` (None: nowhere in particular)."""
    data = config.to_dict()
    sections: dict[str, Any] = {
        "mets": {
            name: {
                **_met_values(met, data["mets"][name]),
                "directory": _directory_text(met, folder),
            }
            for name, met in without_realizations(config.mets, config.realizations).items()
        },
        "grids": data["grids"],
        "footprints": {name: _footprint(config, name, data) for name in config.footprints},
        "observations": {
            name: _set_values(values) for name, values in data["observations"].items()
        },
    }
    parts = [yaml_text.dump({name: value}) for name, value in sections.items() if value]
    meaningful = [name for name in TransportParameters.model_fields if name in SUPPORT]
    for names in (RunControls.model_fields, meaningful, ErrorParameters.model_fields):
        values = {name: data[name] for name in names if data[name] is not None}
        parts += [yaml_text.dump(values)] if values else []
    if config.output != OutputConfig():
        parts.append(yaml_text.dump({"output": data["output"]}))
    execution = config.execution
    if execution != ExecutionConfig():
        defaults = ExecutionConfig().to_dict()
        chosen = {
            key: value
            for key, value in data["execution"].items()
            if key in ("backend", "n_workers") or key not in defaults or value != defaults[key]
        }
        parts.append(yaml_text.dump({"execution": chosen}))
    return "\n".join(parts)


def write_config(config: Configuration, path: str | os.PathLike[str]) -> str:
    """Write config.yaml through a temporary file and return its text."""
    path = Path(path)
    text = config_text(config, path.parent)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return text


def _parse(text: str, path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the mapping in the file and the line of each of its keys."""
    try:
        node = yaml_text.compose(text)
        lines: Lines = {}
        _collect_lines(node, (), lines, path)
        data = yaml_text.load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        advice = ""
        if "'\\t'" in str(error):
            advice = " (indent with spaces, not with tabs)"
        elif "token" in str(error):
            advice = " (put a text that begins with % or @ in quotes)"
        raise ConfigValidationError(
            f"{path}{line}: not valid YAML: {error.problem}{advice}"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigValidationError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise ConfigValidationError(
            f"{path}: brackets or lines are nested too deep to be read"
        ) from None
    if data is None:
        raise ConfigValidationError(f"{path} is empty: it needs at least one meteorology in mets")
    if not isinstance(data, dict):
        raise ConfigValidationError(f"{path}: must hold 'key: value' lines, got {data!r}")
    wrong = [key for key in data if not isinstance(key, str)]
    if wrong:
        raise ConfigValidationError(f"{path}: {wrong[0]!r} cannot be a key: it must be text")
    return data, lines


def _collect_lines(node: yaml.Node | None, where: Location, lines: Lines, path: Path) -> None:
    """Record the line of every key and list item; refuse a key given twice."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            location = (*where, str(key.value))
            line = key.start_mark.line + 1
            if location in lines and key.value != "<<":
                raise ConfigValidationError(
                    f"{path}, line {line}: '{key.value}' is given twice, first in line "
                    f"{lines[location]}"
                )
            lines[location] = line
            _collect_lines(value, location, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*where, index] = item.start_mark.line + 1
            _collect_lines(item, (*where, index), lines, path)


def _located(error: ConfigFieldError, path: Path, lines: Lines) -> str:
    """Return one sentence with file and line for each mistake."""
    sentences = []
    for location, message in error.problems:
        line = _line_of(location, lines)
        place = f"line {line}: " if line else ""
        sentences.append(place + problem_sentence(location, message))
    joint = ", " if sentences[0].startswith("line ") else ": "
    return f"{path}{joint}{joined(sentences)}"


def _line_of(location: Location, lines: Lines) -> int | None:
    """Return the line of the deepest key of the location that the file has.

    Keys that the file leaves out are stepped over: a grid's numbers may stand directly in a
    footprint.
    """
    found: Location = ()
    for key in location:
        if (*found, key) in lines:
            found = (*found, key)
    return lines.get(found)


def _resolve_directories(data: dict[str, Any], folder: Path) -> dict[str, str | tuple[str, ...]]:
    """Make relative weather folders absolute where they exist beside the file.

    Returns:
        The folders as written, by meteorology.
    """
    written: dict[str, str | tuple[str, ...]] = {}
    mets = data.get("mets")
    for name, met in mets.items() if isinstance(mets, dict) else ():
        if not isinstance(met, dict):
            continue
        directory, subgrid = met.get("directory"), met.get("subgrid_dir")
        if isinstance(directory, str) and directory:
            written[name] = directory
            met["directory"] = _beside(directory, folder)
        elif isinstance(directory, list) and all(isinstance(each, str) for each in directory):
            written[name] = tuple(directory)
            met["directory"] = [_beside(each, folder) for each in directory]
        if isinstance(subgrid, str) and subgrid:
            met["subgrid_dir"] = os.path.abspath(
                folder / os.path.expandvars(os.path.expanduser(subgrid))
            )
    return written


def _beside(directory: str, folder: Path) -> str:
    """A weather folder, absolute where it exists beside the file."""
    if is_url(directory):
        return directory
    beside = folder / expanded(directory)
    return os.path.abspath(beside) if beside.is_dir() else directory


def _directory_text(met: MetConfig, folder: Path | None) -> str | list[str]:
    """Return the weather folder as the user wrote it, if that still leads to it from ``folder``."""
    written = met.written_directory
    if isinstance(written, str):
        return _place_text(written, met.places[0], folder)
    pairs = zip(written, met.places, strict=True)
    return [_place_text(text, place, folder) for text, place in pairs]


def _place_text(written: str, place: Place, folder: Path | None) -> str:
    if isinstance(place, str):
        return place
    path = expanded(written)
    if path.is_absolute() or not place.is_absolute():
        return written
    if folder is not None and os.path.abspath(folder / path) == str(place):
        return written
    return str(place)


def _footprint(config: Configuration, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return one footprint, with the name of its grid where it has one."""
    values = dict(data["footprints"][name])
    grid = config.footprints[name].grid
    values["grid"] = next(
        (known for known, other in config.grids.items() if other == grid), values["grid"]
    )
    return _set_values(values)


def _met_values(met: MetConfig, values: dict[str, Any]) -> dict[str, Any]:
    """Return the format of a meteorology, and its values that are not the usual ones."""
    fields = MetConfig.model_fields
    return {
        key: value
        for key, value in values.items()
        if key == "format" or getattr(met, key) != fields[key].default
    }


def _set_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, {}, [])}
