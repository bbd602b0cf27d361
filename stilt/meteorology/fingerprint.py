"""Which analyses an output was made from, so that files replaced under their names are noticed.

An output keeps ``<digest>@<first>/<last>``: a digest of the analyses that it used, and the times
of the first and the last of them; ``@<format>`` where the files are not ARL files, and after it
``@<choice>`` where the configuration limits which forecasts may be used. Where a simulation uses
several grids there is such a text for each, joined by ``+`` and followed by ``#`` and the number of
its files among those of the output. The digest
covers the times and the content of every analysis: of an ARL file its index, which has a checksum
of each field; so copying or touching a file changes nothing, nor do later analyses that are
appended to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from stilt.config.forecasts import ForecastChoice
from stilt.meteorology.formats.merge import merged
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import EVERY_FORECAST, choose_by_time
from stilt.meteorology.records import AnalysisRef, FileIndex
from stilt.roots import place_of


def fingerprint(refs: Sequence[AnalysisRef], choice: ForecastChoice = EVERY_FORECAST) -> str:
    """Describe the analyses that a simulation uses, in the order of their times; "" for none.

    Args:
        refs: the analyses.
        choice: the forecasts that they were chosen among.
    """
    return joined([(own, _of_one_grid(own, choice)) for own in grouped_by_grid(refs)])


def grouped_by_grid(refs: Sequence[AnalysisRef]) -> list[list[AnalysisRef]]:
    """Return some analyses grid by grid, in the order in which the grids first occur."""
    found: dict[str, list[AnalysisRef]] = {}
    for ref in refs:
        found.setdefault(ref.grid.key(), []).append(ref)
    return list(found.values())


def joined(told: Sequence[tuple[Sequence[AnalysisRef], str]]) -> str:
    """Join texts of :func:`fingerprint`, each with its analyses; a single one is kept as it is."""
    if len(told) < 2:
        return told[0][1] if told else ""
    texts = []
    seen: set[str] = set()
    for refs, text in told:
        paths = {path for ref in refs for path in ref.paths} - seen
        seen |= paths
        if not text:
            return ""
        texts.append(f"{text}#{len(paths)}")
    return "+".join(texts)


def _of_one_grid(refs: Sequence[AnalysisRef], choice: ForecastChoice) -> str:
    contents = {str(ref.time): ref.content for ref in refs}
    if not contents or not all(contents.values()):
        return ""
    form = f"@{refs[0].format}" if refs[0].format != "arl" or choice.text else ""
    rule = f"@{choice.text}" if choice.text else ""
    return f"{_digest(contents)}@{min(contents)}/{max(contents)}{form}{rule}"


class WeatherCheck:
    """Compares the weather files that there are now with what outputs were made from.

    Each object reads a file once: create a new one for each comparison.

    Args:
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._cache_dir = cache_dir
        self._indexes: dict[str, IndexCache] = {}
        self._known: dict[tuple[str, str, str], FileIndex] = {}

    def has_changed(self, files: Iterable[str], recorded: str) -> bool:
        """Return whether these files now hold other analyses than the output's text describes.

        No when a file is missing or damaged: then there is nothing to compare with.

        Args:
            files: weather files that the output was made from.
            recorded: text of :func:`fingerprint`; "" when the output has none.
        """
        paths = list(files)
        begin = 0
        for text in recorded.split("+") if "#" in recorded else ():
            told, _, number = text.partition("#")
            end = begin + int(number)
            if self.has_changed(paths[begin:end], told):
                return True
            begin = end
        if "#" in recorded:
            return False
        digest, _, rest = recorded.partition("@")
        span, _, rest = rest.partition("@")
        form, _, limits = rest.partition("@")
        first, _, last = span.partition("/")
        if not digest or not paths:
            return False
        indexes = [self._index(path, form or "arl", first, last) for path in paths]
        refs = [ref for index in indexes for ref in index.refs]
        if any(index.damage for index in indexes) or not all(ref.content for ref in refs):
            return False
        chosen, _ = choose_by_time(merged(refs, paths), ForecastChoice.parse(limits))
        held = {str(ref.time): ref.content for ref in chosen}
        return _digest({time: held[time] for time in held if first <= time <= last}) != digest

    def _index(self, path: str, form: str, first: str, last: str) -> FileIndex:
        place = place_of(path)
        span = f"{first}/{last}" if is_store(place) else ""
        if (path, form, span) not in self._known:
            if form not in self._indexes:
                folder = self._cache_dir / "met-index" if self._cache_dir else None
                self._indexes[form] = IndexCache(folder, form)
            window = (np.datetime64(first, "m"), np.datetime64(last, "m"))
            self._known[path, form, span] = self._indexes[form].index_of(place, window)
        return self._known[path, form, span]


def _digest(contents: Mapping[str, str]) -> str:
    text = "\n".join(f"{time} {contents[time]}" for time in sorted(contents))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
