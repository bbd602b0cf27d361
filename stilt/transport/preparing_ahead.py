"""Analyses prepared before a run of the transport asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stilt.config import ModelConfig
from stilt.meteorology.formats import read_analysis
from stilt.meteorology.prepared_store import PreparedStore
from stilt.meteorology.records import AnalysisRef
from stilt.transport.met_stream import met_streams
from stilt.transport.preparation import Preparation, first_minute_of
from stilt.transport.release import Release


def prepare_ahead(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
    enough: Callable[[], bool],
) -> None:
    """Prepare the analyses that a run of the transport will ask for, in the same order.

    Args:
        releases, refs, config, cache_dir: as :func:`run_transport` takes them.
        enough: called before each analysis; True ends the work.
    """
    for lacking in lacking_weather(releases, refs, config, cache_dir=cache_dir):
        if enough():
            return
        prepare_one(lacking, cache_dir=cache_dir)


def lacking_weather(
    releases: Sequence[Release],
    refs: Sequence[AnalysisRef],
    config: ModelConfig,
    *,
    cache_dir: Path,
) -> list[Preparation]:
    """List the analyses that :func:`run_transport` will ask for and that are not prepared yet."""
    store = PreparedStore(cache_dir, read_analysis)
    streams = met_streams(refs, config, first_minute_of(releases, config), store)
    every = [one for stream in streams for one in stream.preparations()]
    return [one for one in every if not store.has(*one)]


def prepare_one(lacking: Preparation, *, cache_dir: Path) -> None:
    """Prepare one of :func:`lacking_weather`."""
    PreparedStore(cache_dir, read_analysis).get(*lacking)
