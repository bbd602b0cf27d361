"""Loss of a gas on its way: influence decays with age."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stilt.config.transforms import MINUTES_PER_UNIT, FirstOrderLifetime

BEFORE_CHEMISTRY = "foot_before_chemistry"
MINUTES_PER_HOUR = 60.0


def apply_first_order_lifetime(
    particles: pd.DataFrame, lifetime: FirstOrderLifetime
) -> pd.DataFrame:
    """Multiply ``foot`` by exp(-|age| / lifetime).

    Raises:
        ValueError: the age's column is missing.
    """
    if lifetime.time_column not in particles.columns:
        raise ValueError(
            f"first_order_lifetime: {lifetime.time_column!r} is not a column of the particle table."
        )
    minutes = MINUTES_PER_UNIT[lifetime.time_unit.strip().lower()]
    age_h = np.abs(particles[lifetime.time_column].to_numpy(np.float64)) * minutes
    age_h /= MINUTES_PER_HOUR
    decayed = particles["foot"].to_numpy() * np.exp(-age_h / lifetime.lifetime_hours)
    return particles.assign(**{BEFORE_CHEMISTRY: particles["foot"]}, foot=decayed)
