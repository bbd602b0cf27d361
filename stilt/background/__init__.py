"""Background: the mole fraction of the air where particles end, in someone's field of it."""

from stilt.background.average import background_of as background_of
from stilt.background.curtain import curtain as curtain
from stilt.background.ends import ends_of as ends_of
from stilt.background.field import BackgroundField as BackgroundField

__all__ = ["BackgroundField", "background_of", "curtain", "ends_of"]
