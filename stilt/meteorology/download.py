"""Fetch weather files from NOAA's archives when a configuration names one as its source."""

from __future__ import annotations

import pandas as pd

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason


def fetch_archive(config: MetConfig, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Download the files of ``config.source`` that cover [start, end] into its directory.

    Files that are there already are not fetched again.

    Raises:
        MeteorologyError: MISSING_MET_FILES when the archive refuses or cannot be reached.
    """
    from arlmet.archives import get_archive

    assert config.source is not None
    try:
        archive = get_archive(config.source, **config.source_options)
        archive.fetch(start, end, dest_dir=config.places[0], mirror=config.backend)
    except ImportError as problem:
        raise _failed(config, f"{problem}; install stilt[download]") from None
    except Exception as problem:
        text = " ".join(str(problem).split()) or type(problem).__name__
        raise _failed(config, f"{text}; check the network, or put the files there") from problem


def _failed(config: MetConfig, text: str) -> MeteorologyError:
    return MeteorologyError(
        f"The weather of {config.source} ({config.backend}) could not be downloaded to "
        f"{config.where}: {text}.",
        reason=Reason.MISSING_MET_FILES,
    )
