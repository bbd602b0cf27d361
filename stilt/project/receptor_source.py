"""Where a project's receptors come from: objects in Python, a file, or its own receptors.csv."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stilt.project.inputs import Project
from stilt.project.registration import registration_rows
from stilt.project.stored_inputs import keep_time_format, kept_time_format, stores_config
from stilt.receptors import Receptor, read_receptors
from stilt.receptors.given import given_receptors
from stilt.receptors.misspelt import misspelt_columns

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


class HasReceptors(Protocol):
    """A model."""

    @property
    def receptors(self) -> Sequence[Receptor]:
        """Its receptors."""


class ReceptorSource:
    """Receptors as they were given, and the form of their times.

    Args:
        files: the project.
        receptors: None reads receptors.csv of the project; else the path of a CSV file (in the
            current folder, or else in the project's), or any form that
            :func:`stilt.receptors.given.given_receptors` takes.
        time_format: of times that are text, as a pattern of ``datetime.strptime``; None goes by
            what the project keeps for its receptors.csv.

    Attributes:
        given: receptors that were given as objects; None where they are read from a file.
        time_format: as it was given.

    Raises:
        TypeError: receptors of an unknown kind.
        UsageError: a mistake in one of them, and which.
    """

    def __init__(
        self, files: Project, receptors: Any = None, time_format: str | None = None
    ) -> None:
        self._files = files
        self.time_format = time_format
        self.given: list[Receptor] | None = None
        self._named: Path | None = None
        if isinstance(receptors, (str, Path)):
            named = Path(receptors).expanduser()
            here, there = named.absolute(), files.relative_to / named
            self._named = here if here.exists() or not there.exists() else there
        elif receptors is not None:
            self.given = given_receptors(receptors, time_format=time_format)

    @property
    def path(self) -> Path | None:
        """The file that is read; None where objects were given or there is no file."""
        return None if self.given is not None else self._named or self._files.receptor_file

    @property
    def is_a_named_file(self) -> bool:
        """Whether a file was named that receptors are read from."""
        return self._named is not None

    @property
    def is_stored(self) -> bool:
        """Whether receptors are read from receptors.csv of the output root."""
        return self.path == self._files.layout.receptors

    @property
    def kept_time_format(self) -> str | None:
        """Time format that the stored receptors.csv was registered with, unless it has changed."""
        return kept_time_format(self._files.layout) if self.is_stored else None

    def read(self) -> Sequence[Receptor]:
        """Return the receptors.

        Raises:
            FileNotFoundError: none were given, and there is no receptors.csv.
            UsageError: the file holds a mistake.
        """
        if self.given is not None:
            return self.given
        path = self.path
        if path is None:
            raise FileNotFoundError(
                "No receptors available: there is no receptors.csv in "
                f"{self._files.place}; write one, or pass receptors=."
            )
        return read_receptors(path, time_format=self.time_format or self.kept_time_format)

    def registration_rows(self, read: HasReceptors) -> pd.DataFrame:
        """Return rows of the index for the receptors, and keep the form of their times.

        Args:
            read: has the receptors, read when they are first needed.
        """
        for sentence in misspelt_columns(read.receptors):
            logger.warning("%s", sentence)
        rows = registration_rows(read.receptors, self._files.config, self._files.expectations)
        if self.time_format is not None and self.is_stored:
            keep_time_format(self._files, self.time_format)
        return rows

    def reads_what_is_stored(self) -> bool:
        """Whether all inputs, read as they are here, are those stored in the output root."""
        return (
            self.is_stored
            and self.time_format in (None, self.kept_time_format)
            and stores_config(self._files)
        )
