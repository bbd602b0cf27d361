"""Search the places of one meteorology for the files whose names a window of time asks for."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stilt.config import MetConfig
from stilt.meteorology.search import FolderListing, name_beginnings, unique_files
from stilt.roots import Place

NO_TIME = pd.Timedelta(0)
_HOUR = pd.Timedelta(hours=1)

_LISTING_LIFE_S = 2.0


@dataclass(frozen=True)
class Found:
    """Files that a name search returned.

    Attributes:
        files: what the window itself asks for, sorted by name.
        around: the same with the neighbouring names, which may hold the bracketing analyses.
        named: the times that each file's name was found for.
        absent: name beginnings that no file has, neighbouring ones included, with their times.
        asked: name beginnings of the window itself.
    """

    files: tuple[Place, ...]
    around: tuple[Place, ...]
    named: dict[Place, list[pd.Timestamp]]
    absent: dict[str, list[pd.Timestamp]]
    asked: frozenset[str]

    @property
    def absent_asked(self) -> tuple[str, ...]:
        """Name beginnings of the window itself that no file has."""
        return tuple(text for text in self.absent if text in self.asked)


class FileSearch:
    """Finds files of one meteorology by name. Folders are listed once, until :meth:`forget`.

    Args:
        config: where the files are and how they are named.
    """

    def __init__(self, config: MetConfig) -> None:
        self.config = config
        self._listings: list[FolderListing] | None = None
        self._listed_at = 0.0

    @property
    def is_old(self) -> bool:
        """Whether the folders may have changed since they were listed."""
        return clock.monotonic() - self._listed_at > _LISTING_LIFE_S

    def forget(self) -> None:
        """List the folders again when they are needed next."""
        self._listings = None

    @property
    def all_files(self) -> list[Path]:
        """Every file in the folders, whatever its name."""
        return [path for listing in self._files_on_disk() for path in listing.all_files]

    def find(
        self,
        start: pd.Timestamp,
        end: pd.Timestamp,
        forward: bool = False,
        margin: pd.Timedelta = NO_TIME,
    ) -> Found:
        """Find the files whose names belong to [start, end], and those of a margin around it.

        Unless the run is forward, the file after an end between two files belongs to it. The
        margin is one file interval or more.
        """
        listings = self._files_on_disk()
        urls = self._urls
        pattern, step = self.config.file_format, self.config.file_interval
        if pattern is None:
            files = (*urls, *self.all_files)
            return Found(files, files, {}, {}, frozenset())
        asked = name_beginnings(pattern, start, end, step)
        counted = name_beginnings(pattern, start, end if forward else end.ceil(step), step)
        # Amounts since a forecast began need the hour before the first one, too.
        margin = max(margin, step if self.config.format == "arl" else 2 * step)
        wide = name_beginnings(pattern, start - margin, end + margin + step, step)
        named: dict[Place, list[pd.Timestamp]] = {}
        chosen: list[Place] = []
        absent = {}
        for text, times in wide.items():
            paths = [path for listing in listings for path in listing.beginning_with(text)]
            for path in paths:
                named.setdefault(path, []).extend(times)
            if text in counted:
                chosen.extend(paths)
            if not paths:
                absent[text] = times
        around = (*urls, *unique_files(list(named)))
        files = (*urls, *unique_files(chosen))
        return Found(files, around, named, absent, frozenset(asked))

    def passed_over(self, found: Found, start: pd.Timestamp, end: pd.Timestamp) -> tuple[Path, ...]:
        """Return files whose names are of hours from start to end that ``file_tres`` steps over."""
        pattern, step = self.config.file_format, self.config.file_interval
        if pattern is None or step <= _HOUR:
            return ()
        names = name_beginnings(pattern, start.floor("h"), end, _HOUR)
        listings = self._files_on_disk()
        paths = [path for each in listings for text in names for path in each.beginning_with(text)]
        return tuple(unique_files([path for path in paths if path not in found.named]))

    def _files_on_disk(self) -> list[FolderListing]:
        if self._listings is None:
            folders = [place for place in self.config.places if isinstance(place, Path)]
            exclude = self.config.subgrid_directory
            self._listings = [FolderListing(folder, exclude=exclude) for folder in folders]
            self._listed_at = clock.monotonic()
        return self._listings

    @property
    def _urls(self) -> list[Place]:
        return [place.rstrip("/") for place in self.config.places if isinstance(place, str)]
