"""Find footprint grids whose sides are not a whole number of cells, before a run."""

from __future__ import annotations

from stilt.config import ModelConfig
from stilt.errors import ConfigValidationError


def cut_grids(config: ModelConfig, *, degrees_only: bool = False) -> list[str]:
    """Return a sentence for each side of a footprint grid that ends within a cell.

    Args:
        config: the configuration.
        degrees_only: leave out projected grids. Their bounds are in degrees and their cells in
            metres, so that hardly any has whole cells only.

    Returns:
        The sentences; nothing of a grid without a cell, which a run refuses.
    """
    from stilt.footprint.cell_grid import CellGrid

    sentences: dict[str, str] = {}
    for name, footprint in config.footprints.items():
        try:
            frame = CellGrid.of(footprint.grid)
        except ConfigValidationError:
            continue
        for sentence in frame.cut_ranges():
            if frame.degrees or not degrees_only:
                sentences.setdefault(sentence, f"Footprint '{name}': {sentence}")
    return list(sentences.values())
