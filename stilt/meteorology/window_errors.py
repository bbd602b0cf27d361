"""Why the weather files do not suffice for a window of time, as errors that say what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason
from stilt.meteorology.arl_format import minute_text
from stilt.meteorology.bracket import Bracket
from stilt.meteorology.file_search import FileSearch, Found
from stilt.meteorology.formats import AUTO, FORMATS, format_of
from stilt.meteorology.formats.merge import has_surface, surface_elsewhere
from stilt.meteorology.guessed_format import advice_on_format, fits, other_kind
from stilt.meteorology.records import AnalysisRef
from stilt.roots import Place, place_of

_SHOWN = 6
_SHOWN_PATTERNS = 3
_LOOKED_AT = 3
_RULES = {"cf": ", which finds axes and fields by their standard_name"}
_EXAMPLE = ", such as file_format: wrfout_d02"


class WindowErrors:
    """Describes what one meteorology lacks for a window of time.

    Args:
        config: where the files are and how they are named.
        name: the meteorology's name in the project; "" without one.
        search: the search that found the files.
    """

    def __init__(self, config: MetConfig, name: str, search: FileSearch) -> None:
        self.config = config
        self.name = name
        self._search = search

    def too_few(self, found: Found, bracket: Bracket | None = None) -> MeteorologyError | None:
        """Return the error of too few files; files that cover the window count under any name."""
        required = max(1, self.config.n_min)
        files = set(found.files)
        if len(files) < required and bracket is not None and bracket.is_complete:
            files |= {place_of(ref.path) for ref in bracket.refs}
        if len(files) >= required:
            return None
        folders = [place for place in self.config.places if isinstance(place, Path)]
        gone = [folder for folder in folders if not folder.is_dir()]
        if gone:
            relative = not gone[0].is_absolute()
            beside = " beside config.yaml" if relative else ""
            moved = "; if the project was moved, its weather has to be moved with it"
            text = (
                f"There is no folder {gone[0]}{beside} for the weather{self._of}: correct "
                f"directory in config.yaml{moved if relative else ''}."
            )
        elif found.absent_asked:
            shown = shortened(found.absent_asked)
            lacks = "no file" if not files else f"only {len(files)} of {required} files (n_min)"
            step = self.config.file_interval
            times = [time for text in found.absent_asked for time in found.absent[text]]
            stepped_over = self._stepped_over(found, [*times, max(times) + step])
            held = "" if stepped_over else f"; {self._held()}"
            text = (
                f"The weather of {self.label} has {lacks} for the time needed (no name begins "
                f"with {shown}{held}): {stepped_over or self._remedy()}."
            )
        elif files:
            text = (
                f"The weather of {self.label} has only {len(files)} of {required} files (n_min) "
                "for the time needed: add the files, or lower n_min in config.yaml."
            )
        else:
            text = (
                f"There is no file in {self.config.where} for the weather{self._of}: put the "
                "files there, or correct directory in config.yaml."
            )
        return MeteorologyError(text, reason=Reason.MISSING_MET_FILES)

    def _remedy(self) -> str:
        """Say what to do where no name fits; for a file_format that looks wrong, what to write."""
        names, form = self._names(), self.config.file_format
        if form and names:
            if fits(form, min(names)):
                return "add files, or correct directory in config.yaml or the receptors' times"
            if advice := advice_on_format(form, min(names)):
                return advice
        return "add files, or correct directory or file_format in config.yaml"

    def _names(self) -> list[str]:
        return [path.name for path in self._search.all_files]

    def _held(self) -> str:
        """Say which files there are, so that a wrong name can be recognised."""
        names = self._names()
        if not names:
            return "there are no files"
        return f"there are {len(names):,} file(s), such as {min(names)}"

    def uncovered(
        self, found: Found, damaged: dict[Place, str], bracket: Bracket, by_tres: bool
    ) -> MeteorologyError:
        """Say why a window is not bracketed: damage, irregular times, or missing hours."""
        missing = bracket.missing
        for path, sentence in damaged.items():
            times = found.named.get(path)
            if (other := other_kind(path)) and "unpack" in other:
                sentence = f"{path} is {other}."
            if times is None or self._belongs(times, missing):
                return MeteorologyError(
                    f"{sentence[:-1]} (needed for {_times_text(missing)}).",
                    reason=Reason.DAMAGED_MET_FILE,
                )
        if bracket.irregular is not None:
            earlier, later = map(minute_text, bracket.irregular)
            return MeteorologyError(
                f"The interval between the analyses of {self.label} varies: {earlier} is followed "
                f"by {later}; keep files of one kind, with times at most 12 hours apart, there.",
                reason=Reason.VARYING_MET_INTERVAL,
            )
        for path in found.around:
            times = found.named.get(path)
            if (times is None or self._belongs(times, missing)) and (other := other_kind(path)):
                return MeteorologyError(
                    f"{path} is {other} (needed for {_times_text(missing)}).",
                    reason=Reason.DAMAGED_MET_FILE,
                )
        if not bracket.refs and found.around and self.config.format != "arl":
            other = next(
                filter(None, (format_of(str(path)) for path in found.around[:_LOOKED_AT])), ""
            )
            if other and self.config.format in (other, AUTO):
                return MeteorologyError(
                    f"The files of {self.label}, such as {Path(found.around[0]).name}, hold only "
                    f"parts of the analyses of {_times_text(missing)}: add the files with the "
                    "other fields, on levels and at the surface.",
                    reason=Reason.MET_COVERAGE,
                )
            if self.config.format == AUTO:
                known_names = ", ".join(name for name in FORMATS if name != "wrf-instantaneous")
                return MeteorologyError(
                    f"No file of {self.label}, such as {Path(found.around[0]).name}, looks like "
                    f"one of the known formats ({known_names}); correct directory, or see the page "
                    "of its product for what a file must hold.",
                    reason=Reason.MISSING_MET_FILES,
                )
            known = f"; {Path(found.around[0]).name} looks like format: {other}" if other else ""
            return MeteorologyError(
                f"No file of {self.label} is of format: {self.config.format}"
                f"{_RULES.get(self.config.format, '')}{known}; correct format, or directory.",
                reason=Reason.MISSING_MET_FILES,
            )
        absent = tuple(t for t, times in found.absent.items() if self._belongs(times, missing))
        remedy = "add the files that hold them"
        if self.config.forecasts.text:
            remedy += f", or allow for more than {self.config.forecasts.words}"
        if stepped_over := self._stepped_over(found, missing):
            return MeteorologyError(
                f"The weather of {self.label} lacks {len(missing)} of the analyses needed: "
                f"{_times_text(missing)}; {stepped_over}.",
                reason=Reason.MET_COVERAGE,
            )
        if by_tres:
            remedy += f", or correct file_tres ({self.config.file_tres})"
        hint = f" (no file name begins with {shortened(absent)})" if absent else ""
        return MeteorologyError(
            f"The weather of {self.label} lacks {len(missing)} of the analyses needed: "
            f"{_times_text(missing)}{hint}; {remedy}.",
            reason=Reason.MET_COVERAGE,
        )

    def _stepped_over(self, found: Found, missing: Sequence[np.datetime64 | pd.Timestamp]) -> str:
        """Say that files lie between the names that ``file_tres`` asks for; "" if none does."""
        step = self.config.file_interval
        first, last = pd.Timestamp(min(missing)) - step, pd.Timestamp(max(missing))
        between = self._search.passed_over(found, first, last)
        if not between:
            return ""
        return (
            f"names are looked for every {self.config.file_tres} (file_tres), which steps over "
            f"{between[0].name}: correct file_tres"
        )

    def _belongs(self, named: list[pd.Timestamp], missing: tuple[np.datetime64, ...]) -> bool:
        """Return whether a missing time falls into the interval that a name stands for."""
        step = self.config.file_interval
        return any(time <= pd.Timestamp(hour) < time + step for time in named for hour in missing)

    def mixed_grids(
        self, bracket: Bracket, passed_over: tuple[AnalysisRef, ...]
    ) -> MeteorologyError | None:
        """Return why the analyses cannot be used together.

        A model may change its grid once and for all; grids that alternate, or that lie in one
        folder at the same times, as domains of WRF do, are not one meteorology.
        """
        changes = [now for before, now in pairwise(bracket.refs) if now.grid != before.grid]
        once = len(changes) == len({ref.grid for ref in bracket.refs}) - 1
        first = bracket.refs[0]
        domains = [ref for ref in passed_over if ref.format.startswith("wrf")]
        for ref in (*([] if once else bracket.refs), *domains):
            if ref.grid != first.grid:
                if text := _other_levels(first, ref):
                    return MeteorologyError(
                        f"The weather files of {self.label} are on different levels: {text}; "
                        "fetch the same levels for all hours.",
                        reason=Reason.MET_COVERAGE,
                    )
                return MeteorologyError(
                    f"The weather files {Path(first.path).name} and {Path(ref.path).name} of "
                    f"{self.label} have different grids or levels; give each its own folder or "
                    f"file_format{_EXAMPLE if domains else ''}.",
                    reason=Reason.MET_COVERAGE,
                )
        return None

    def surface_elsewhere(
        self, bracket: Bracket, parts: Sequence[AnalysisRef]
    ) -> MeteorologyError | None:
        """Return the error of levels whose surface fields are all on other nodes.

        Args:
            bracket: the analyses.
            parts: what the files hold.
        """
        for ref in bracket.refs:
            if (other := surface_elsewhere(ref, parts)) is not None:
                return MeteorologyError(
                    f"The surface fields in {Path(other.path).name} do not have all the nodes of "
                    f"the levels in {Path(ref.path).name} of {self.label}: fetch both with the "
                    "same spacing and for the same area, or the surface fields for a larger one.",
                    reason=Reason.MET_COVERAGE,
                )
        return None

    def surface_damaged(
        self, bracket: Bracket, found: Found, damaged: dict[Place, str]
    ) -> MeteorologyError | None:
        """Return the error of levels without any surface fields, which a damaged file may hold."""
        alone = tuple(ref.time for ref in bracket.refs if not has_surface(ref))
        for path, sentence in damaged.items() if alone else ():
            times = found.named.get(path)
            if times is None or self._belongs(times, alone):
                return MeteorologyError(
                    f"{sentence[:-1]} (the levels of {_times_text(alone)} are without surface "
                    "fields, which it may hold).",
                    reason=Reason.DAMAGED_MET_FILE,
                )
        return None

    @property
    def _of(self) -> str:
        return f" of {self.name}" if self.name else ""

    @property
    def label(self) -> str:
        """The meteorology in messages: its name and where it is."""
        return f"{self.name} in {self.config.where}" if self.name else self.config.where


def _other_levels(one: AnalysisRef, other: AnalysisRef) -> str:
    """Say which levels one of two analyses has and the other lacks; "" if the nodes differ."""
    a, b = one.grid, other.grid
    if a != replace(b, levels=a.levels):
        return ""
    without, with_it = sorted((one, other), key=lambda ref: ref.grid.n_levels)
    lacks = sorted({*with_it.grid.levels} - {*without.grid.levels})
    unit = " hPa" if a.vertical_flag == 2 else ""
    listed = ", ".join(f"{level:g}" for level in lacks[:_SHOWN])
    more = f" and {len(lacks) - _SHOWN} more" if len(lacks) > _SHOWN else ""
    return (
        f"{Path(without.path).name} ({minute_text(without.time)}) lacks {listed}{more}{unit}, "
        f"which {Path(with_it.path).name} ({minute_text(with_it.time)}) has"
    )


def _times_text(times: tuple[np.datetime64, ...]) -> str:
    """Format times for a person; of many, the first few and the last."""
    shown = ", ".join(minute_text(time) for time in times[:_SHOWN])
    if len(times) <= _SHOWN:
        return shown
    return f"{shown} and {len(times) - _SHOWN} more up to {minute_text(times[-1])}"


def shortened(texts: tuple[str, ...]) -> str:
    """Join beginnings of names; of many, the first few."""
    more = ", …" if len(texts) > _SHOWN_PATTERNS else ""
    return ", ".join(texts[:_SHOWN_PATTERNS]) + more
