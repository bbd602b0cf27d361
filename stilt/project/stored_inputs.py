"""The inputs that an output root keeps, from which workers read: config.yaml and receptors.csv."""

from __future__ import annotations

import filecmp
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from stilt.atomic import atomic_path
from stilt.config import ModelConfig, is_same
from stilt.config.files import config_text
from stilt.errors import StiltError, UsageError
from stilt.meteorology.stored_datasets import store_dataset
from stilt.notices import notice
from stilt.project.inputs import Project
from stilt.project.keys import digest
from stilt.project.layout import ProjectLayout
from stilt.receptors import Receptor, read_receptors, write_receptors

logger = logging.getLogger(__name__)


class HasInputs(Protocol):
    """A model: a project, and inputs that can be stored in its output root."""

    @property
    def files(self) -> Project:
        """The project."""

    def store_inputs(self) -> None:
        """Have config.yaml and receptors.csv in the output root, where workers read them."""


def stores_config(project: Project) -> bool:
    """Whether the config.yaml in the output root means the project's configuration."""
    path, config = project.layout.config, project.config
    if not path.exists():
        return False
    if project.read_config_from(path):
        return True
    with suppress(OSError):
        if path.read_bytes() == config_text(config, path.parent).encode():
            return True
    try:
        return is_same(ModelConfig.from_yaml(path), config)
    except StiltError:
        if not project.has_given_config:
            raise
        return False


def store_config(project: Project) -> None:
    """Have the project's configuration in the output root; a file that means the same is kept.

    One that a person wrote, with another meaning, is kept under another name. Datasets in memory
    are stored before it, as NetCDF files.

    Raises:
        UsageError: the configuration was read from this file, which has changed since.
    """
    for met in project.config.mets.values():
        store_dataset(met)
    if stores_config(project):
        return
    path = project.layout.config
    if path.exists():
        if project.config_file == path:
            raise UsageError(
                f"{project.named(path)} was changed after it was read: run the command again (in "
                "Python, make the Model again), which takes the file as it is now."
            )
        if _is_config_written_here(path):
            logger.warning("%s held another configuration and was replaced.", project.named(path))
        else:
            _keep_aside(project, path, "held another configuration")
    with project.sending("config.yaml"):
        project.config.to_yaml(path)


def store_receptors(project: Project, receptors: Sequence[Receptor], source: Path | None) -> None:
    """Have these receptors in the output root; a file that means the same is kept.

    One that a person wrote, with other receptors, is kept under another name.

    Args:
        project: whose output root.
        receptors: what to store.
        source: file they were read from, copied byte for byte; None writes them.
    """
    path = project.layout.receptors
    if source is not None and path.exists() and os.path.samefile(source, path):
        return
    if path.exists():
        try:
            kept = read_receptors(path)
            # Equal receptors may have other labels.
            if kept == list(receptors) and all(
                mine.labels == theirs.labels for mine, theirs in zip(kept, receptors, strict=True)
            ):
                return
            if not _is_written_here(path, kept):
                _keep_aside(project, path, "listed other receptors")
        except StiltError:
            _keep_aside(project, path, "could not be read")
    with project.sending("receptors.csv"):
        if source is None:
            write_receptors(path, receptors)
        else:
            with atomic_path(path) as temporary:
                shutil.copyfile(source, temporary)


def _is_written_here(path: Path, receptors: Sequence[Receptor]) -> bool:
    """Return whether a file is what this package writes of its receptors, to the byte."""
    with TemporaryDirectory(prefix="stilt-") as folder:
        ours = Path(folder) / path.name
        write_receptors(ours, receptors)
        return filecmp.cmp(path, ours, shallow=False)


def _is_config_written_here(path: Path) -> bool:
    """Return whether a file is what this package writes of its configuration, to the byte."""
    try:
        return path.read_bytes() == config_text(ModelConfig.from_yaml(path), path.parent).encode()
    except StiltError:
        return False


def _keep_aside(project: Project, path: Path, why: str) -> None:
    """Copy a project's own file that is about to be replaced, and say so."""
    if path != project.root / path.name:
        return
    number = next(n for n in count(1) if not path.with_name(f"{path.name}.{n}").exists())
    aside = path.with_name(f"{path.name}.{number}")
    with project.sending(aside.name):
        shutil.copyfile(path, aside)
    notice(
        logger, "%s %s and was replaced; the old one is kept as %s.",
        project.named(path), why, aside.name,
    )  # fmt: skip


def keep_time_format(project: Project, time_format: str) -> None:
    """Remember the form of the times in receptors.csv of the output root."""
    layout = project.layout
    told = {"receptors": _receptors_digest(layout), "time_format": time_format}
    name = layout.time_format.relative_to(layout.root).as_posix()
    with project.sending(name), atomic_path(layout.time_format) as temporary:
        temporary.write_text(json.dumps(told), encoding="utf-8")


def kept_time_format(layout: ProjectLayout) -> str | None:
    """Return the form of the times that was kept with receptors.csv, unless that has changed."""
    try:
        told = json.loads(layout.time_format.read_text(encoding="utf-8"))
        of, time_format = told["receptors"], str(told["time_format"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return time_format if of == _receptors_digest(layout) else None


def input_token(project: Project) -> str:
    """Return a digest of receptors, meteorologies and outputs together; "" without receptors.

    As long as it is the same, registering again changes nothing.
    """
    content = _receptors_digest(project.layout)
    if not content:
        return ""
    targets = {met: sorted(wanted.footprints) for met, wanted in project.expectations.items()}
    return digest([content, list(project.config.simulated_mets), targets])


def _receptors_digest(layout: ProjectLayout) -> str:
    """Return a digest of the bytes of receptors.csv in the output root; "" without one."""
    try:
        with layout.receptors.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
