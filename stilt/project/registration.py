"""Rows of the index for receptors and meteorologies, before anything is computed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from stilt.config import ModelConfig
from stilt.project.keys import Expectation
from stilt.receptors import Receptor, location_of

# One encoder for all: a million receptors are registered at once.
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def receptor_json(receptor: Receptor) -> str:
    """Receptor as the index stores it."""
    return _ENCODE(receptor.to_dict())


def registration_rows(
    receptors: Iterable[Receptor], config: ModelConfig, expectations: Mapping[str, Expectation]
) -> pd.DataFrame:
    """Rows of the index for every meteorology and receptor, in that order."""
    listed = list(receptors)
    ids = [str(receptor.id) for receptor in listed]
    base = pd.DataFrame(
        {
            "location_id": [location_of(receptor_id) for receptor_id in ids],
            "time": np.array([r.time.to_datetime64() for r in listed], dtype="datetime64[us]"),
            "receptor": [receptor_json(receptor) for receptor in listed],
        }
    )
    parts = []
    for met in config.simulated_mets:
        targets = ",".join(sorted(expectations[met].footprints))
        sim_ids = pd.Series([f"{met}_{receptor_id}" for receptor_id in ids], dtype="str")
        parts.append(base.assign(sim_id=sim_ids, met=met, targets=targets))
    return pd.concat(parts, ignore_index=True)
