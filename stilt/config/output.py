"""How outputs are laid out on disk."""

from __future__ import annotations

from typing import Literal

from stilt.config.base import Section, described


class OutputConfig(Section):
    """Where results go; results themselves do not depend on it."""

    layout: Literal["files", "store"] = described(
        "files",
        "files: a folder with a few files for each simulation; store: many simulations in few "
        "Parquet files, for campaigns of thousands of receptors",
        visibility="basic",
    )
