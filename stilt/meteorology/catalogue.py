"""The weather files of one meteorology, and the analyses in them that a window of time needs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.bracket import LONGEST_INTERVAL, Bracket, bracket_window
from stilt.meteorology.download import fetch_archive
from stilt.meteorology.file_search import NO_TIME, FileSearch
from stilt.meteorology.fingerprint import fingerprint
from stilt.meteorology.formats.merge import WHOLE, merged
from stilt.meteorology.grids import MetGrid
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import choose_by_time
from stilt.meteorology.reach import Reach, reach_of, within_reach
from stilt.meteorology.records import AnalysisRef, Window
from stilt.meteorology.subgrid import crop_file, cropped_when_read, refuse_lacking, unwritable
from stilt.meteorology.used import CROPS
from stilt.meteorology.window_errors import WindowErrors, shortened
from stilt.roots import Place, is_url

logger = logging.getLogger(__name__)

Time = np.datetime64 | pd.Timestamp | str
Windows = Collection[tuple[Time, Time]]

_WIDER_SEARCH = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Assessment:
    """How the files cover one window of time.

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


class MetCatalogue:
    """Finds the analyses, and their files, that a simulation needs.

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
        self._search = FileSearch(config)
        self._errors = WindowErrors(config, name, self._search)
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
            self._search.forget()
            assessment = self.assess(start, end)
        if assessment.error is not None:
            raise assessment.error
        if unheard := set(assessment.absent) - self._warned:
            self._warned |= unheard
            logger.warning(
                "No weather file of %s begins with %s, but other files cover its time.",
                self._errors.label,
                shortened(tuple(sorted(unheard))),
            )
        refs = list(assessment.bracket.refs)
        if self._crops_files:
            return self._cropped(refs)
        # A receptor outside the grid is refused where it is released.
        return [within_reach(ref, reach[-1]) or ref for ref in refs] if reach else refs

    def available(self, start: Time, end: Time, reach: Reach = ()) -> list[AnalysisRef]:
        """Return the analyses available around [start, end], cropped; raise nothing.

        Those with a missing hour on either side are left out: nothing lies between them.
        """
        assessment = self.assess(start, end)
        bracket = assessment.bracket
        if not bracket.refs or self._errors.mixed_grids(bracket, assessment.passed_over):
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
        if assessment.error is not None and self._search.is_old:
            self._search.forget()
            assessment = self._assess(first, last)
        return assessment

    def grids(self, start: Time, end: Time, assessment: Assessment) -> list[MetGrid]:
        """Return the grids that particles may start in, in a window that was assessed."""
        del start, end
        return [ref.grid for ref in assessment.bracket.refs[:1]]

    def remarks(self, windows: Windows, lon: ArrayLike, lat: ArrayLike) -> list[str]:
        """Return sentences on what is odd although it can be computed.

        Of files that each hold a part of an analysis, those that cannot be used are named: what
        they hold may be missing.

        Args:
            windows: of time, that receptors need.
            lon, lat: of the receptors, degrees.
        """
        del lon, lat
        if not windows or self.config.format in WHOLE:
            return []
        times = [_minutes(time) for window in windows for time in window]
        found = self._search.find(pd.Timestamp(min(times)), pd.Timestamp(max(times)))
        files = [path for path in found.files if not is_url(path)]
        damages = [text for path in files if (text := self._indexes.index_of(path).damage)]
        more = f" (The like is true of {len(damages) - 1} more.)" if len(damages) > 1 else ""
        return [f"{text}{more}" for text in damages[:1]]

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
        found = self._search.find(start, end, forward=n_hours > 0)
        if (error := self._errors.too_few(found)) is not None and self._search.is_old:
            self._search.forget()
            found = self._search.find(start, end, forward=n_hours > 0)
            error = self._errors.too_few(found)
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

    def _assess(self, start: np.datetime64, end: np.datetime64) -> Assessment:
        """Bracket a window; files that cover more than ``file_tres`` says are looked for last."""
        reach = pd.Timedelta(self.config.forecasts.reach(pd.Timestamp(start).to_pydatetime()))
        for margin in (NO_TIME, max(_WIDER_SEARCH, reach)):
            found = self._search.find(pd.Timestamp(start), pd.Timestamp(end), margin=margin)
            refs, others, damaged, parts = self._analyses(found.around, (start, end))
            longest = self._longest_interval(refs)
            bracket = bracket_window(refs, start, end, longest)
            if bracket.is_complete:
                break
        error = self._errors.too_few(found, bracket)
        if error is None and not bracket.is_complete:
            error = self._errors.uncovered(found, damaged, bracket, longest is not None)
        passed_over = tuple(other for ref in bracket.refs for other in others.get(ref.time, ()))
        if error is None:
            error = self._errors.mixed_grids(bracket, passed_over)
        if error is None:
            error = self._errors.surface_elsewhere(bracket, parts)
        if error is None:
            error = self._errors.surface_damaged(bracket, found, damaged)
        if error is None and self._crops_files:
            error = self._uncroppable(bracket)
        return Assessment(bracket, found.files, found.absent_asked, error, passed_over)

    def _analyses(
        self, files: tuple[Place, ...], window: Window
    ) -> tuple[
        list[AnalysisRef],
        dict[np.datetime64, list[AnalysisRef]],
        dict[Place, str],
        list[AnalysisRef],
    ]:
        """Return one analysis of each time; the others; sentences on damaged files; all parts.

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
        return *choose_by_time(whole, self.config.forecasts), damaged, refs

    def _longest_interval(self, refs: list[AnalysisRef]) -> np.timedelta64 | None:
        """Return the time a file covers, where each holds one analysis and has its own name."""
        pattern, step = self.config.file_format, self.config.file_interval
        if pattern is None or not refs or len({ref.path for ref in refs}) < len(refs):
            return None
        time = pd.Timestamp(refs[0].time)
        if time.strftime(pattern) == (time + step).strftime(pattern):
            return None
        return np.timedelta64(round(step / pd.Timedelta(minutes=1)), "m")


def _minutes(time: Time) -> np.datetime64:
    """Return a time with minute precision, in UTC without a zone."""
    stamp = pd.Timestamp(time)
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp.floor("min").to_datetime64().astype("datetime64[m]")
