"""Which weather an output was made from, so that files replaced under their names are noticed.

An output keeps ``<digest>@<first>/<last>``: a digest of the analyses that it used, and the times
of the first and the last of them; and ``@<format>`` where the files are no ARL files. The digest
covers the times and the content of every analysis: of an ARL file its index, which has a checksum
of each field; so copying or touching a file changes nothing, nor do later analyses that are
appended to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from stilt.meteorology.formats.merge import merged
from stilt.meteorology.formats.stores import is_store
from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import choose_by_time
from stilt.meteorology.records import AnalysisRef, FileIndex
from stilt.roots import place_of


def fingerprint(refs: Sequence[AnalysisRef]) -> str:
    """Text for the analyses that a simulation uses, in the order of their times; "" for none."""
    contents = {str(ref.time): ref.content for ref in refs}
    if not contents or not all(contents.values()):
        return ""
    form = "" if refs[0].format == "arl" else f"@{refs[0].format}"
    return f"{_digest(contents)}@{min(contents)}/{max(contents)}{form}"


class WeatherCheck:
    """Compares the weather files that there are now with what outputs were made from.

    Files are looked at once in the object's life: make a new one for each question.

    Args:
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._cache_dir = cache_dir
        self._indexes: dict[str, IndexCache] = {}
        self._known: dict[tuple[str, str, str], FileIndex] = {}

    def has_changed(self, files: Iterable[str], recorded: str) -> bool:
        """Whether these files hold other analyses now than the output's text tells of.

        No when a file is missing or damaged: then there is nothing to compare with.

        Args:
            files: weather files that the output was made from.
            recorded: text of :func:`fingerprint`; "" when the output has none.
        """
        digest, _, rest = recorded.partition("@")
        span, _, form = rest.partition("@")
        first, _, last = span.partition("/")
        paths = list(files)
        if not digest or not paths:
            return False
        indexes = [self._index(path, form or "arl", first, last) for path in paths]
        refs = [ref for index in indexes for ref in index.refs]
        if any(index.damage for index in indexes) or not all(ref.content for ref in refs):
            return False
        held = {str(ref.time): ref.content for ref in choose_by_time(merged(refs, paths))[0]}
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
