"""Which analyses an output was made from, so that files replaced under their names are noticed.

An output keeps ``<digest>@<first>/<last>``: a digest of the analyses that it used, and the times
of the first and the last of them. The digest covers the times and the index of every analysis, in
which ARL files keep a checksum of each field; so copying or touching a file changes nothing, nor do
later analyses that are appended to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from stilt.meteorology.index_cache import IndexCache
from stilt.meteorology.overlap import LEAST_PREFERRED, Preference, choose_by_time, preference
from stilt.meteorology.records import AnalysisRef


def fingerprint(refs: Sequence[AnalysisRef]) -> str:
    """Describe the analyses that a simulation uses, in the order of their times; "" for none."""
    contents = {str(ref.time): ref.content for ref in refs}
    if not contents or not all(contents.values()):
        return ""
    return f"{_digest(contents)}@{min(contents)}/{max(contents)}"


class WeatherCheck:
    """Compares the weather files that there are now with what outputs were made from.

    Each object reads a file once: create a new one for each comparison.

    Args:
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.
    """

    def __init__(self, cache_dir: Path | None) -> None:
        self._indexes = IndexCache(cache_dir / "met-index" if cache_dir else None)
        self._known: dict[str, Mapping[str, tuple[Preference, str]] | None] = {}

    def has_changed(self, files: Iterable[str], recorded: str) -> bool:
        """Return whether these files now hold other analyses than the output's text describes.

        No when a file is missing or damaged: then there is nothing to compare with.

        Args:
            files: weather files that the output was made from.
            recorded: text of :func:`fingerprint`; "" when the output has none.
        """
        digest, _, span = recorded.partition("@")
        first, _, last = span.partition("/")
        paths = list(files)
        if not digest or not paths:
            return False
        contents: dict[str, tuple[Preference, str]] = {}
        for path in paths:
            held = self._contents(path)
            if held is None:
                return False
            for time, content in held.items():
                if first <= time <= last and content < contents.get(time, (LEAST_PREFERRED, "")):
                    contents[time] = content
        return _digest({time: content for time, (_, content) in contents.items()}) != digest

    def _contents(self, path: str) -> Mapping[str, tuple[Preference, str]] | None:
        """Return preference and digest of a file's analyses by time; None if it cannot be read."""
        if path not in self._known:
            index = self._indexes.index_of(Path(path))
            usable = not index.damage and all(ref.content for ref in index.refs)
            used, _ = choose_by_time(index.refs)
            self._known[path] = (
                {str(ref.time): (preference(path, ref.forecast_hour), ref.content) for ref in used}
                if usable
                else None
            )
        return self._known[path]


def _digest(contents: Mapping[str, str]) -> str:
    text = "\n".join(f"{time} {contents[time]}" for time in sorted(contents))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
