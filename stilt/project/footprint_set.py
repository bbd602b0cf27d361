"""Footprints of a project, in files or in the store, as one set that is read as it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from stilt.footprint.files import FootprintSet
from stilt.project.reading import Located, read_footprint, read_layers, read_parts

if TYPE_CHECKING:
    from stilt.footprint import Footprint
    from stilt.footprint.layers import CellBlock, Layers


class LocatedFootprints(FootprintSet):
    """Footprints of some simulations.

    Attributes:
        located: where they are.
        labels: ids of the simulations, which name the rows in results.
    """

    def __init__(self, located: Sequence[Located]) -> None:
        self.located = list(located)
        self.labels = [one.sim_id for one in self.located]

    def __len__(self) -> int:
        return len(self.located)

    def __iter__(self) -> Iterator[Footprint]:
        return map(read_footprint, self.located)

    def layers(self) -> Iterator[Layers]:
        """Read what is not zero in one after the other."""
        return map(read_layers, self.located)

    def readers(self) -> dict[str, Callable[[], Layers]]:
        """Return by label, in order, what reads what is not zero in one of them."""
        return {one.sim_id: partial(read_layers, one) for one in self.located}

    def parts(self) -> Iterator[Layers | CellBlock]:
        """Read the same in the form in which it is kept, and as many at a time as lie together."""
        return read_parts(self.located)

    def __repr__(self) -> str:
        return f"<{len(self)} footprints>"
