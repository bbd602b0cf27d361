"""For how long particles were followed, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.project.index_queries import ENOUGH_FOLLOWED

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.project.index_queries import OutputSizes


def left_early_text(config: ModelConfig, sizes: OutputSizes) -> str:
    """Say of how many simulations much of the particles' time is missing, and of which most.

    Particles are no longer followed once they have left the weather's grid.

    Args:
        config: of the project.
        sizes: what the index knows of its outputs.

    Returns:
        Two sentences; "" where little is missing of each, or nothing is known.
    """
    if not sizes.left_early:
        return ""
    beyond = "; footprints have nothing from beyond it" if config.footprints else ""
    percent = f"{100 * ENOUGH_FOLLOWED:.0f} %"
    return (
        f"{sizes.left_early:,} of {sizes.n_known:,} simulation(s) have less than {percent} of "
        f"their particles' {abs(config.n_hours):g} hours, {sizes.worst} only "
        f"{100 * sizes.least:.0f} %: the rest of the time they were outside the weather's "
        f"grid{beyond}. With weather of a larger area they are followed further."
    )
