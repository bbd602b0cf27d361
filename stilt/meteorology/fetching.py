"""Download, ahead of a run, the weather files that windows of time need and a folder lacks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stilt.config import MetConfig
from stilt.errors import Reason, UsageError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.download import fetch_archive
from stilt.meteorology.search import FolderListing

Window = tuple[pd.Timestamp, pd.Timestamp]


@dataclass(frozen=True)
class Fetched:
    """The result of a download.

    Attributes:
        name: of the meteorology.
        windows: times that files were fetched for, each (first, last).
        files: files that are new in the folder.
        missing: a sentence for each window that still lacks weather.
    """

    name: str
    windows: tuple[Window, ...]
    files: tuple[Path, ...]
    missing: tuple[str, ...]


def fetch_weather(
    config: MetConfig,
    windows: Iterable[Window],
    name: str = "",
    *,
    cache_dir: Path | None = None,
) -> Fetched:
    """Fetch the files that windows of time need from the configured archive, unless they are there.

    Args:
        config: the meteorology, with a ``source``.
        windows: first and last times, UTC; those that overlap are fetched together.
        name: of the meteorology, for messages.
        cache_dir: folder that keeps the files' indexes between runs; in memory alone when None.

    Raises:
        UsageError: the meteorology has no source.
        MeteorologyError: MISSING_MET_FILES when the archive refuses or cannot be reached.
    """
    if config.source is None:
        raise UsageError(
            f"The meteorology {name or config.where} has no source to fetch from: set source "
            "in config.yaml."
        )
    catalogue = MetCatalogue(config, name, cache_dir=cache_dir)
    before = _files(config)
    lacking = [
        window
        for window in merged_windows(windows)
        if (error := catalogue.assess(*window).error) is not None and error.reason != Reason.DISK
    ]
    for window in lacking:
        fetch_archive(config, *window)
    catalogue = MetCatalogue(config, name, cache_dir=cache_dir)
    errors = (catalogue.assess(*window).error for window in lacking)
    return Fetched(
        name,
        tuple(lacking),
        tuple(sorted(_files(config) - before)),
        tuple(error.detail for error in errors if error is not None),
    )


def merged_windows(windows: Iterable[Window]) -> list[Window]:
    """Return windows in the order of their times, those that overlap or touch as one."""
    merged: list[Window] = []
    for first, last in sorted((min(window), max(window)) for window in windows):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _files(config: MetConfig) -> set[Path]:
    return set(FolderListing(Path(config.places[0])).all_files)
