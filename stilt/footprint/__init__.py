"""Footprints: from particles to the influence of the upwind surface."""

from stilt.footprint.footprint import Footprint as Footprint
from stilt.footprint.near_field import apply_near_field as apply_near_field

__all__ = ["Footprint", "apply_near_field"]
