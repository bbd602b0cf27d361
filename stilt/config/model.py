"""The whole configuration of a project: config.yaml as one frozen object."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import model_validator

from stilt.config.base import ConfigFieldError, Location, described, unknown_key
from stilt.config.execution import ExecutionConfig
from stilt.config.files import config_text, read_text, write_config
from stilt.config.footprints import FootprintConfig, inline_grid
from stilt.config.geometry import Grid
from stilt.config.meteorology import MetConfig, circular_nest, nest_of, run_on_their_own
from stilt.config.observations import ObservationsConfig
from stilt.config.output import OutputConfig
from stilt.config.realizations import taken_names, with_realizations
from stilt.config.run import (
    FOOTPRINT_CODES,
    MIXED_HEIGHT_ERROR_FIELDS,
    PLUME_CODES,
    WIND_ERROR_FIELDS,
    ErrorParameters,
    RunControls,
)
from stilt.config.support import NO_EFFECT, SUPPORT, unsupported
from stilt.config.transforms import NEEDED_CODES
from stilt.config.transport import TransportParameters

OBSERVATIONS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?<!-kernels)")
_MET_NAME = re.compile(r"[a-z0-9]+")
# Footprint names become parts of file names, in which "_error" marks error footprints.
_FOOTPRINT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?<!_error)")

Problems = list[tuple[Location, str]]


class ModelConfig(RunControls, TransportParameters, ErrorParameters):
    """What to simulate with which weather: run controls, transport, footprints, execution.

    Raises:
        ConfigValidationError: a key is unknown or a value is wrong; the message names every
            mistake.
    """

    mets: dict[str, MetConfig] = described(
        ..., "Meteorologies by name (lower-case letters and digits); each is run with every "
        "receptor, unless another one is nested in it", visibility="basic",
    )  # fmt: skip
    grids: dict[str, Grid] = described(
        {}, "Grids by name, for several footprints to refer to", visibility="advanced"
    )
    footprints: dict[str, FootprintConfig] = described(
        {}, "Footprints by name; without any, only trajectories are computed", visibility="basic"
    )
    observations: dict[str, ObservationsConfig] = described(
        {}, "Measurements by name, from which `stilt observe` makes receptors", visibility="basic"
    )
    output: OutputConfig = described(
        OutputConfig(), "How results are laid out on disk", visibility="basic"
    )
    execution: ExecutionConfig = described(
        ExecutionConfig(), "Where simulations are computed", visibility="basic"
    )

    @model_validator(mode="before")
    @classmethod
    def _normalise_sections(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        sections = ("mets", "grids", "footprints", "observations", "output", "execution")
        data = {
            key: value for key, value in data.items() if value is not None or key not in sections
        }
        problems: Problems = []
        if not data.get("mets"):
            problems.append((("mets",), "at least one meteorology is needed: name it under mets"))
        for section in ("mets", "grids", "footprints", "observations"):
            problems += _bad_names(section, data.get(section, {}))
        footprints = data.get("footprints")
        if not problems and isinstance(footprints, Mapping):
            data["footprints"], problems = _with_grids(footprints, data.get("grids", {}))
        if problems:
            # pydantic would name these, but does not look further now.
            unknown = [str(key) for key in data if key not in cls.model_fields]
            problems += [((key,), unknown_key(key, cls.model_fields)) for key in unknown]
            raise ConfigFieldError(problems)
        data["mets"] = with_realizations(data["mets"], data.get("realizations"))
        if taken := taken_names(data["mets"]):
            raise ConfigFieldError(
                [(("mets", name), "is the name of a realization: choose another") for name in taken]
            )
        return data

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        checks = (_nesting_problems, _transport_problems, _error_problems, _output_problems)
        problems = [problem for check in checks for problem in check(self)]
        if problems:
            raise ConfigFieldError(problems)
        return self

    @property
    def simulated_mets(self) -> tuple[str, ...]:
        """Names of the meteorologies that are run with every receptor."""
        return run_on_their_own(self.mets)

    def nest_of(self, met: str) -> tuple[str, ...]:
        """Return a meteorology and those that it is nested in, the finest first."""
        return nest_of(self.mets, met)

    @property
    def keeps_ends(self) -> bool:
        """Whether the ends of particles are kept because the particles are not."""
        return self.ends and not self.trajectories

    @property
    def heights_msl(self) -> bool | None:
        """Whether all release heights are above sea level; None: as each receptor says (kmsl)."""
        return None if self.kmsl is None else self.kmsl == 1

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> ModelConfig:
        """Read config.yaml.

        A relative ``directory`` of a meteorology is looked for beside the file first.

        Raises:
            FileNotFoundError: there is no such file.
            ConfigValidationError: a mistake in the file; the message names file and line.
        """
        text = read_text(path)
        try:
            config = cls(**text.data)
        except ConfigFieldError as error:
            raise text.located(error) from None
        for name, directory in text.written.items():
            config.mets[name].remember_written(directory)
        return config

    def to_yaml(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return config.yaml as text and, given a path, write it there in one atomic step.

        Empty sections, unset values and fields that can only have their default are left out;
        reading the text gives an equal configuration.
        """
        return config_text(self, None) if path is None else write_config(self, path)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values of every field; ``ModelConfig(**d)`` is equal again."""
        data = self.model_dump(mode="json")
        data["execution"] = self.execution.to_dict()
        return data

    def transport_dict(self, *, error_run: bool = False) -> dict[str, Any]:
        """Return the fields that can change particles, as plain values to hash.

        Args:
            error_run: include the error parameters, on which only the perturbed run depends.
        """
        names = ["n_hours", "numpar", "varsiwant", "hnf_plume", *sorted(SUPPORT.keys() - NO_EFFECT)]
        if error_run:
            names += ErrorParameters.model_fields
        data = self.model_dump(mode="json", include=set(names))
        return {name: data[name] for name in names}

    def with_datasets_below(self, root: Path) -> ModelConfig:
        """Return the same configuration, its datasets in memory to be stored in a project."""
        if not any(met.dataset is not None for met in self.mets.values()):
            return self
        mets = {name: met.dataset_below(root) for name, met in self.mets.items()}
        return self.model_copy(update={"mets": mets})

    def with_changes(self, **changes: Any) -> ModelConfig:
        """Return a copy with some fields replaced, checked like a new configuration."""
        return type(self)(**{**dict(self), **changes})


def is_same(first: ModelConfig, second: ModelConfig) -> bool:
    """Return whether two configurations mean the same, however they were written."""
    return first == second


def _bad_names(section: str, entries: Any) -> Problems:
    """Check the names under mets, grids, footprints or observations."""
    if not isinstance(entries, Mapping):
        return [((section,), f"must map names to settings, got {entries!r}")]
    rules = {
        "mets": (_MET_NAME, "use lower-case letters and digits only, since ids contain it"),
        "grids": (re.compile(r".+"), "give it a name"),
        "footprints": (
            _FOOTPRINT_NAME,
            "use letters, digits, - and _, not ending in _error, since file names contain it",
        ),
        "observations": (OBSERVATIONS_NAME, "use letters, digits, - and _: it names files"),
    }
    pattern, advice = rules[section]
    return [
        ((section, str(name)), f"{name!r} cannot be a name: {advice}")
        for name in entries
        if not (isinstance(name, str) and pattern.fullmatch(name))
    ]


def _with_grids(
    footprints: Mapping[str, Any], grids: Mapping[str, Any]
) -> tuple[dict[str, Any], Problems]:
    """Put the named grids into the footprints that refer to them."""
    resolved: dict[str, Any] = {}
    problems: Problems = []
    for name, footprint in footprints.items():
        try:
            resolved[name] = inline_grid(footprint, grids)
        except ConfigFieldError as error:
            problems += [
                (("footprints", name, *where), message) for where, message in error.problems
            ]
    return resolved, problems


def _nesting_problems(config: ModelConfig) -> Problems:
    problems: Problems = []
    for name, met in config.mets.items():
        for outer in met.nested_in:
            where = ("mets", name, "nested_in")
            if outer not in config.mets:
                problems.append((where, f"'{outer}' is not a meteorology under mets"))
    if not problems and (circle := circular_nest(config.mets)):
        text = (
            " in ".join(f"'{name}'" for name in circle) + " is a circle: remove one of these, so "
            "that the outermost meteorology is nested in none"
        )
        problems.append((("mets", circle[0], "nested_in"), text))
    return problems


def _transport_problems(config: ModelConfig) -> Problems:
    problems: Problems = []
    for name, field in TransportParameters.model_fields.items():
        reason = unsupported(name, getattr(config, name), field.default)
        if reason:
            problems.append(((name,), reason))
    if config.maxpar is not None and config.maxpar < config.numpar:
        problems.append((("maxpar",), f"{config.maxpar} is below numpar {config.numpar}"))
    return problems


def _error_problems(config: ModelConfig) -> Problems:
    problems: Problems = []
    for group in (WIND_ERROR_FIELDS, MIXED_HEIGHT_ERROR_FIELDS):
        missing = [name for name in group if getattr(config, name) is None]
        if 0 < len(missing) < len(group):
            message = (
                f"Inconsistent XY/ZI error parameters: {', '.join(group)} belong together, and "
                f"{', '.join(missing)} not set: set all of them or none"
            )
            given = next(name for name in group if name not in missing)
            problems.append(((given,), message))
    for name, footprint in config.footprints.items():
        if footprint.error and not config.error_run:
            message = f"needs error parameters: set {', '.join(WIND_ERROR_FIELDS)}"
            problems.append((("footprints", name, "error"), message))
    return problems


def _output_problems(config: ModelConfig) -> Problems:
    problems: Problems = []
    wanted = set(config.varsiwant)
    lacking = sorted(set(PLUME_CODES) - wanted)
    if config.hnf_plume and lacking:
        message = f"hnf_plume=True requires varsiwant to include: {lacking}"
        problems.append((("varsiwant",), message))
    lacking = sorted(set(FOOTPRINT_CODES) - wanted)
    if config.footprints and lacking:
        problems.append((("varsiwant",), f"footprints require varsiwant to include: {lacking}"))
    for name, footprint in config.footprints.items():
        for index, transform in enumerate(footprint.transforms):
            needed = set(NEEDED_CODES.get(transform["kind"], ())) - wanted
            if needed:
                where = ("footprints", name, "transforms", index)
                message = f"{transform['kind']} needs {', '.join(sorted(needed))} in varsiwant"
                problems.append((where, message))
    if not config.trajectories and not config.footprints:
        message = "false leaves nothing to compute, since no footprints are configured"
        problems.append((("trajectories",), message))
    return problems
