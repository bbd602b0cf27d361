"""Mass of particles in winds that do not conserve it."""

from __future__ import annotations

import pandas as pd

from stilt.transforms.vertical import BEFORE_WEIGHT

MASS = "dmas"


def apply_mass_weighting(particles: pd.DataFrame) -> pd.DataFrame:
    """Multiply ``foot`` by the mass of the particle at each step, 1 at its release.

    A first-order correction of winds that diverge where the density does not change (Lin et al.
    2003, doi:10.1029/2002JD003161): it is not good where masses differ much from 1.

    Raises:
        ValueError: ``dmas`` is missing.
    """
    if MASS not in particles.columns:
        raise ValueError("mass_weighting needs the particle column dmas: add it to varsiwant.")
    foot = particles["foot"].to_numpy() * particles[MASS].to_numpy()
    return particles.assign(**{BEFORE_WEIGHT: particles["foot"]}, foot=foot)
