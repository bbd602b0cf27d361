"""Background: the mole fraction of the air where particles end, in someone's field of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stilt.lazy import loader

if TYPE_CHECKING:
    from stilt.background.average import background_of as background_of
    from stilt.background.curtains import curtain as curtain
    from stilt.background.ends import ends_of as ends_of
    from stilt.background.field import BackgroundField as BackgroundField

# A run takes the ends of particles from one module: the others need xarray.
_HOME = {
    "BackgroundField": "field",
    "background_of": "average",
    "curtain": "curtains",
    "ends_of": "ends",
}

__all__ = ["BackgroundField", "background_of", "curtain", "ends_of"]

__getattr__ = loader(__name__, _HOME)
