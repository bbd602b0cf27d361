"""The weather files of one meteorology, and the analyses in them that a window of time needs."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.bracket import LONGEST_INTERVAL, Bracket, bracket_window
from stilt.meteorology.download import fetch_archive
from stilt.meteorology.fingerprint import fingerprint
from stilt.meteorology.formats import AUTO, format_of
from stilt.meteorology.formats.merge import merged
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import choose_by_time
from stilt.meteorology.reach import Reach, reach_of, within_reach
from stilt.meteorology.records import AnalysisRef, Window
from stilt.meteorology.search import FolderListing, name_beginnings, unique_files
from stilt.meteorology.subgrid import crop_file, cropped_when_read, refuse_lacking, unwritable
from stilt.meteorology.used import CROPS
from stilt.roots import Place, is_url, place_of

logger = logging.getLogger(__name__)

Time = np.datetime64 | pd.Timestamp | str

_LISTING_LIFE_S = 2.0
_NO_TIME = pd.Timedelta(0)
_WIDER_SEARCH = pd.Timedelta(days=1)
_SHOWN = 6
_SHOWN_PATTERNS = 3
_LOOKED_AT = 3
_EXAMPLE = ", such as file_format: wrfout_d02"


@dataclass(frozen=True)
class Assessment:
    """What the files offer for one window of time.

    Attributes:
        bracket: the analyses, the missing times, an irregular interval.
        files: files whose names the window asks for, sorted by name.
        absent: beginnings of names that no file has.
        error: why the window cannot be computed, or None.
        passed_over: analyses of the same times in other files, which are not used.
    """

    bracket: Bracket
    files: tuple[Place, ...]
    absent: tuple[str, ...]
    error: MeteorologyError | None
    passed_over: tuple[AnalysisRef, ...] = ()


@dataclass(frozen=True)
class _Found:
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


class MetCatalogue:
    """Answers which analyses, of which files, a simulation needs.

    Names narrow the search to a few files; the valid times in the files' own indexes decide. Of a
    time that several files hold the shortest forecast is used, of those that ``cycle`` and
    ``lead`` allow, see :mod:`stilt.meteorology.overlap`.

    Args:
        config: where the files are and how they are named.
        name: the meteorology's name in the project, for messages.
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.
    """

    def __init__(
        self, config: MetConfig, name: str = "", cache_dir: str | Path | None = None
    ) -> None:
        self.config = config
        self.name = name
        folder = Path(cache_dir) / "met-index" if cache_dir else None
        self._indexes = IndexCache(folder, config.format)
        self._crops_dir = str(Path(cache_dir) / CROPS) if cache_dir else ""
        self._listings: list[FolderListing] | None = None
        self._listed_at = 0.0
        self._warned: set[str] = set()
        self._crops_unwritable: str | None = None
        self._archive_file: dict[str, str] = {}

    def select(self, start: Time, end: Time, reach: Reach = ()) -> list[AnalysisRef]:
        """Return the analyses that bracket [start, end], sorted by time, each time once.

        With ``source`` configured, files that are missing are downloaded first; with
        ``subgrid_enable``, ARL analyses are those of cropped files, which are made if needed, and
        of other formats only what is kept will be read.

        Args:
            start: first time needed, UTC.
            end: last time needed, UTC; the two may be swapped.
            reach: areas of :meth:`reach_of`, which large grids are cropped to; empty for whole
                grids.

        Raises:
            MeteorologyError: MISSING_MET_FILES when too few files are found, MET_COVERAGE when
                hours are missing (they are named), DAMAGED_MET_FILE when a damaged file should
                hold them, VARYING_MET_INTERVAL when the times are irregular.
        """
        assessment = self.assess(start, end)
        error = assessment.error
        if error is not None and error.reason != Reason.DISK and self.config.source is not None:
            first, last = sorted((_minutes(start), _minutes(end)))
            fetch_archive(self.config, pd.Timestamp(first), pd.Timestamp(last))
            self._listings = None
            assessment = self.assess(start, end)
        if assessment.error is not None:
            raise assessment.error
        if unheard := set(assessment.absent) - self._warned:
            self._warned |= unheard
            logger.warning(
                "No weather file of %s begins with %s, but other files cover its time.",
                self._label,
                _shortened(tuple(sorted(unheard))),
            )
        refs = list(assessment.bracket.refs)
        if self._crops_files:
            return self._cropped(refs)
        # A receptor outside the grid is refused where it is released.
        return [within_reach(ref, reach[-1]) or ref for ref in refs] if reach else refs

    def available(self, start: Time, end: Time, reach: Reach = ()) -> list[AnalysisRef]:
        """Return what there is of the analyses around [start, end], cropped; raise nothing.

        Those with a missing hour on either side are left out: nothing lies between them.
        """
        assessment = self.assess(start, end)
        bracket = assessment.bracket
        if not bracket.refs or self._mixed_grids(bracket, assessment.passed_over):
            return []
        refs = bracket.with_neighbours
        if self._crops_files:
            return self._cropped(refs)
        parts = [within_reach(ref, reach[-1]) for ref in refs] if reach else refs
        return [part for part in parts if part is not None]

    def reach_of(self, lon: ArrayLike, lat: ArrayLike, n_hours: float) -> Reach:
        """Return the areas that particles can reach, as :meth:`select` takes them.

        Args:
            lon, lat: of their release, degrees.
            n_hours: length of the run.
        """
        return (reach_of(lon, lat, n_hours, self.config),)

    def assess(self, start: Time, end: Time) -> Assessment:
        """Search as :meth:`select` does, with its error described instead of raised."""
        first, last = sorted((_minutes(start), _minutes(end)))
        assessment = self._assess(first, last)
        if assessment.error is not None and self._listing_is_old():
            self._listings = None
            assessment = self._assess(first, last)
        return assessment

    def files(self, receptor_time: Time, n_hours: float) -> list[Place]:
        """Return files that the names of one receptor's window ask for, sorted by name.

        Args:
            receptor_time: release time, UTC.
            n_hours: hours to follow particles, negative for backward.

        Raises:
            MeteorologyError: MISSING_MET_FILES when fewer than ``n_min`` are found.
        """
        release = pd.Timestamp(_minutes(receptor_time))
        start, end = sorted((release, release + pd.Timedelta(hours=n_hours)))
        found = self._find(start, end, forward=n_hours > 0)
        if (error := self._too_few(found)) is not None and self._listing_is_old():
            self._listings = None
            found = self._find(start, end, forward=n_hours > 0)
            error = self._too_few(found)
        if error is not None:
            raise error
        return list(found.files)

    def archive_files(self, refs: Sequence[AnalysisRef]) -> tuple[str, ...]:
        """Return files of the archive that analyses of :meth:`select` come from, cropped or not."""
        return tuple(dict.fromkeys(self.archive_file(path) for ref in refs for path in ref.paths))

    def fingerprint(self, refs: Sequence[AnalysisRef]) -> str:
        """Describe analyses of :meth:`select`; see :func:`stilt.meteorology.fingerprint`."""
        return fingerprint(refs, self.config.forecasts)

    def archive_file(self, path: str) -> str:
        """Return the file of the archive that a file was cropped from; itself when it was not."""
        return self._archive_file.get(path, path)

    @property
    def _crops_files(self) -> bool:
        """Whether cropped copies of files are made; other formats read a part of a file."""
        return self.config.subgrid_enable and self.config.format == "arl"

    def _cropped(self, refs: list[AnalysisRef]) -> list[AnalysisRef]:
        """Return the same analyses from cropped files, cropping what is missing."""
        cropped: dict[tuple[str, np.datetime64], AnalysisRef] = {}
        for path in dict.fromkeys(ref.path for ref in refs):
            source = self._whole_index(path)
            crop = crop_file(Path(path), self.config, source)
            choice = self.config.forecasts
            content = {ref.time: ref.content for ref in choose_by_time(source, choice)[0]}
            for ref in choose_by_time(self._indexes.index_of(crop).refs, choice)[0]:
                cropped[path, ref.time] = replace(ref, content=content[ref.time])
            self._archive_file[str(crop)] = path
        return [cropped[ref.path, ref.time] for ref in refs]

    def _whole_index(self, path: str) -> tuple[AnalysisRef, ...]:
        """Return all analyses of a file that is to be cropped; raise what is damaged."""
        index = self._indexes.index_of(Path(path))
        if index.damage:
            raise MeteorologyError(index.damage, reason=Reason.DAMAGED_MET_FILE)
        return index.refs

    def _uncroppable(self, bracket: Bracket) -> MeteorologyError | None:
        """Return why a window's files cannot be cropped: there is no place for the copies."""
        if self._crops_unwritable is None:
            self._crops_unwritable = unwritable(self.config)
        if not self._crops_unwritable:
            return None
        try:
            for path in dict.fromkeys(ref.path for ref in bracket.refs):
                source = self._whole_index(path)
                refuse_lacking(Path(path), self.config, source, self._crops_unwritable)
        except MeteorologyError as error:
            return error
        return None

    def _listing_is_old(self) -> bool:
        return clock.monotonic() - self._listed_at > _LISTING_LIFE_S

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

    def _find(
        self,
        start: pd.Timestamp,
        end: pd.Timestamp,
        forward: bool = False,
        margin: pd.Timedelta = _NO_TIME,
    ) -> _Found:
        """Find the files whose names belong to [start, end], and those of a margin around it.

        Unless the run is forward, the file after an end between two files belongs to it. The
        margin is one file interval or more.
        """
        listings = self._files_on_disk()
        urls = self._urls
        pattern, step = self.config.file_format, self.config.file_interval
        if pattern is None:
            files = (*urls, *(file for listing in listings for file in listing.all_files))
            return _Found(files, files, {}, {}, frozenset())
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
        return _Found(files, around, named, absent, frozenset(asked))

    def _assess(self, start: np.datetime64, end: np.datetime64) -> Assessment:
        """Bracket a window; files that cover more than ``file_tres`` says are looked for last."""
        reach = pd.Timedelta(self.config.forecasts.reach(pd.Timestamp(start).to_pydatetime()))
        for margin in (_NO_TIME, max(_WIDER_SEARCH, reach)):
            found = self._find(pd.Timestamp(start), pd.Timestamp(end), margin=margin)
            refs, others, damaged = self._analyses(found.around, (start, end))
            longest = self._longest_interval(refs)
            bracket = bracket_window(refs, start, end, longest)
            if bracket.is_complete:
                break
        error = self._too_few(found, bracket)
        if error is None and not bracket.is_complete:
            error = self._uncovered(found, damaged, bracket, longest is not None)
        passed_over = tuple(other for ref in bracket.refs for other in others.get(ref.time, ()))
        if error is None:
            error = self._mixed_grids(bracket, passed_over)
        if error is None and self._crops_files:
            error = self._uncroppable(bracket)
        return Assessment(bracket, found.files, found.absent_asked, error, passed_over)

    def _analyses(
        self, files: tuple[Place, ...], window: Window
    ) -> tuple[list[AnalysisRef], dict[np.datetime64, list[AnalysisRef]], dict[Place, str]]:
        """Return one analysis of each time; the others; a sentence for each damaged file.

        Of stores those of a window and of the longest interval around it.
        """
        refs: list[AnalysisRef] = []
        damaged: dict[Place, str] = {}
        around = (window[0] - LONGEST_INTERVAL, window[1] + LONGEST_INTERVAL)
        for path in files:
            index = self._indexes.index_of(path, around)
            if index.damage:
                damaged[path] = index.damage
            kept_in = self._crops_dir if is_url(path) else ""
            refs.extend(replace(ref, kept_in=kept_in) if kept_in else ref for ref in index.refs)
        whole = merged(refs, self.config.places)
        if self.config.subgrid_enable and not self._crops_files:
            whole = [cropped_when_read(ref, self.config) for ref in whole]
        return *choose_by_time(whole, self.config.forecasts), damaged

    def _longest_interval(self, refs: list[AnalysisRef]) -> np.timedelta64 | None:
        """Return the time a file covers, where each holds one analysis and has its own name."""
        pattern, step = self.config.file_format, self.config.file_interval
        if pattern is None or not refs or len({ref.path for ref in refs}) < len(refs):
            return None
        time = pd.Timestamp(refs[0].time)
        if time.strftime(pattern) == (time + step).strftime(pattern):
            return None
        return np.timedelta64(round(step / pd.Timedelta(minutes=1)), "m")

    def _too_few(self, found: _Found, bracket: Bracket | None = None) -> MeteorologyError | None:
        """Return the error of too few files; one for a whole window counts under any name."""
        required = max(1, self.config.n_min)
        files = set(found.files)
        if len(files) < required and bracket is not None and bracket.is_complete:
            files |= {place_of(ref.path) for ref in bracket.refs}
        if len(files) >= required:
            return None
        folders = [place for place in self.config.places if isinstance(place, Path)]
        gone = [folder for folder in folders if not folder.is_dir()]
        if gone:
            text = (
                f"There is no folder {gone[0]} for the weather{self._of}: correct directory in "
                "config.yaml."
            )
        elif found.absent_asked:
            shown = _shortened(found.absent_asked)
            lacks = "no file" if not files else f"only {len(files)} of {required} files (n_min)"
            text = (
                f"The weather of {self._label} has {lacks} for the time needed (no name begins "
                f"with {shown}; {self._held()}): add files, or correct directory or file_format "
                "in config.yaml."
            )
        elif files:
            text = (
                f"The weather of {self._label} has only {len(files)} of {required} files (n_min) "
                "for the time needed: add the files, or lower n_min in config.yaml."
            )
        else:
            text = (
                f"There is no file in {self.config.where} for the weather{self._of}: put the "
                "files there, or correct directory in config.yaml."
            )
        return MeteorologyError(text, reason=Reason.MISSING_MET_FILES)

    def _held(self) -> str:
        """Say what is there under other names, from which a wrong name is seen."""
        names = [Path(path).name for listing in self._files_on_disk() for path in listing.all_files]
        if not names:
            return "there are no files"
        return f"there are {len(names):,} file(s), such as {min(names)}"

    def _uncovered(
        self, found: _Found, damaged: dict[Place, str], bracket: Bracket, by_tres: bool
    ) -> MeteorologyError:
        """Say why a window is not bracketed: damage, irregular times, or missing hours."""
        missing = bracket.missing
        for path, sentence in damaged.items():
            times = found.named.get(path)
            if times is None or self._belongs(times, missing):
                return MeteorologyError(
                    f"{sentence[:-1]} (needed for {times_text(missing)}).",
                    reason=Reason.DAMAGED_MET_FILE,
                )
        if bracket.irregular is not None:
            earlier, later = map(minute_text, bracket.irregular)
            return MeteorologyError(
                f"The interval between the analyses of {self._label} varies: {earlier} is followed "
                f"by {later}; keep files of one kind, with times at most 12 hours apart, there.",
                reason=Reason.VARYING_MET_INTERVAL,
            )
        if not bracket.refs and found.around and self.config.format not in ("arl", AUTO):
            other = next(
                filter(None, (format_of(str(path)) for path in found.around[:_LOOKED_AT])), ""
            )
            known = f"; {Path(found.around[0]).name} looks like format: {other}" if other else ""
            return MeteorologyError(
                f"No file of {self._label} is of format: {self.config.format}{known}; correct "
                "format, or directory.",
                reason=Reason.MISSING_MET_FILES,
            )
        absent = tuple(t for t, times in found.absent.items() if self._belongs(times, missing))
        remedy = "add the files that hold them"
        if self.config.forecasts.text:
            remedy += f", or allow for more than {self.config.forecasts.words}"
        if by_tres:
            remedy += f", or correct file_tres ({self.config.file_tres})"
        hint = f" (no file name begins with {_shortened(absent)})" if absent else ""
        return MeteorologyError(
            f"The weather of {self._label} lacks {len(missing)} of the analyses needed: "
            f"{times_text(missing)}{hint}; {remedy}.",
            reason=Reason.MET_COVERAGE,
        )

    def _belongs(self, named: list[pd.Timestamp], missing: tuple[np.datetime64, ...]) -> bool:
        """Return whether a missing time falls into the interval that a name stands for."""
        step = self.config.file_interval
        return any(time <= pd.Timestamp(hour) < time + step for time in named for hour in missing)

    def _mixed_grids(
        self, bracket: Bracket, passed_over: tuple[AnalysisRef, ...]
    ) -> MeteorologyError | None:
        """Why the analyses cannot be used together.

        A model may change its grid once and for all; grids that take turns, or that lie in one
        folder at the same times, as domains of WRF do, are not one meteorology.
        """
        changes = [now for before, now in pairwise(bracket.refs) if now.grid != before.grid]
        once = len(changes) == len({ref.grid for ref in bracket.refs}) - 1
        first = bracket.refs[0]
        domains = [ref for ref in passed_over if ref.format.startswith("wrf")]
        for ref in (*([] if once else bracket.refs), *domains):
            if ref.grid != first.grid:
                return MeteorologyError(
                    f"The weather files {Path(first.path).name} and {Path(ref.path).name} of "
                    f"{self._label} have different grids or levels; give each its own folder or "
                    f"file_format{_EXAMPLE if domains else ''}.",
                    reason=Reason.MET_COVERAGE,
                )
        return None

    @property
    def _of(self) -> str:
        return f" of {self.name}" if self.name else ""

    @property
    def _label(self) -> str:
        return f"{self.name} in {self.config.where}" if self.name else self.config.where


def times_text(times: tuple[np.datetime64, ...]) -> str:
    """Format times for a person, the first few of many; equal steps are not repeated."""
    shown = ", ".join(minute_text(time) for time in times[:_SHOWN])
    if len(times) <= _SHOWN:
        return shown
    return f"{shown} and {len(times) - _SHOWN} more up to {minute_text(times[-1])}"


def _shortened(texts: tuple[str, ...]) -> str:
    more = ", …" if len(texts) > _SHOWN_PATTERNS else ""
    return ", ".join(texts[:_SHOWN_PATTERNS]) + more


def _minutes(time: Time) -> np.datetime64:
    """Return a time with minute precision, in UTC without a zone."""
    stamp = pd.Timestamp(time)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp.floor("min").to_datetime64().astype("datetime64[m]")
