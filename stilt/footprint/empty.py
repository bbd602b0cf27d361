"""Why a footprint is zero everywhere."""

from __future__ import annotations

NO_PARTICLES = "no_particles"
OUTSIDE_DOMAIN = "outside_domain"

_TEXTS = {
    NO_PARTICLES: "there are no particles",
    OUTSIDE_DOMAIN: "no particle came near the ground within the grid",
}


def empty_text(reason: str) -> str:
    """Say in words what the ``empty_reason`` of a footprint is."""
    return _TEXTS.get(reason, f"its file says so ({reason})")
