"""Every transport setting that is accepted does something, or is known to have no effect.

The whole list is gone through: a setting that is new in the table of supported ones fails here
until it is said what it changes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from synthetic_weather import START, Laboratory, model_config, nodes, per_level

from stilt.config.support import NO_EFFECT, SUPPORT
from stilt.config.transport import TransportParameters
from stilt.receptors import PointReceptor
from stilt.transport import release_of
from stilt.transport.preparation import preparation_options

# Setting: another value, and what else must be set for it to count.
_CHANGES: dict[str, tuple[object, dict[str, object]]] = {
    "seed": (2, {}),
    "veght": (0.25, {}),
    "kmix0": (2000, {}),
    "kmixd": (700, {}),
    "kbls": (2, {}),
    "kblt": (2, {}),
    "kzmix": (1, {}),
    "tvmix": (2.0, {"kzmix": 2}),
    "tkerd": (0.3, {"kblt": 3}),
    "tkern": (0.3, {"kblt": 3}),
    "tlfrac": (1.0, {}),
    "hscale": (600.0, {}),
    "vscaleu": (80.0, {"vscales": 50.0}),
    "vscales": (50.0, {}),
    "nturb": (1, {}),
    "kdef": (1, {}),
    "kmsl": (1, {}),
    "k10m": (0, {}),
    "outdt": (10, {}),
    "z_top": (8000, {}),
    "zicontroltf": (1, {"ziscale": 2.0}),
    "ziscale": (2.0, {"zicontroltf": 1}),
    "w_option": (4, {}),
    "hysplit_rounding": (False, {}),
    "hysplit_layer_update": (True, {}),
}
# Values that no program should take for another: refused with the setting's name.
_REFUSED: dict[str, tuple[object, ...]] = {
    "veght": (0.0, -1.0, 3e4),
    "kmix0": (-1.0, 2e4),
    "kmixd": (4, 9, -1),
    "kbls": (0, 3),
    "kblt": (0, 6),
    "kzmix": (3, -1),
    "tvmix": (0.0, -1.0),
    "tkerd": (0.0, 11.0),
    "tkern": (0.0, 11.0),
    "tlfrac": (0.0, 1.5),
    "hscale": (0.0, -1.0),
    "vscaleu": (0.0, -1.0),
    "vscales": (0.0, -2.0),
    "nturb": (2, -1),
    "kdef": (2,),
    "kmsl": (2,),
    "k10m": (2,),
    "outdt": (-1,),
    "z_top": (100.0, 1e5),
    "zicontroltf": (2,),
    "ziscale": (-2.0, 101.0),
    "w_option": (6, 7, 8, 9, 10, -1),
    "hysplit_rounding": ("x", 2),
    "hysplit_layer_update": ("x", 2),
    "seed": ("x",),
}
_OF_WEATHER = set(_CHANGES) - {
    "seed", "veght", "tlfrac", "hscale", "nturb", "kmsl", "outdt", "hysplit_rounding",
    "hysplit_layer_update",
}  # fmt: skip


def test_the_list_is_whole() -> None:
    assert set(_CHANGES) | NO_EFFECT == set(SUPPORT)
    assert set(_REFUSED) | NO_EFFECT == set(SUPPORT)
    assert set(SUPPORT) <= set(TransportParameters.model_fields)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in _REFUSED.items() for value in values]
)
def test_other_values_are_refused_in_one_sentence(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name) as refused:
        model_config(**{name: value})
    assert "\n" not in str(refused.value).strip()


@pytest.mark.parametrize("name", sorted(_OF_WEATHER))
def test_settings_of_the_weather_reach_its_preparation(name: str) -> None:
    value, others = _CHANGES[name]
    base, changed = model_config(**others), model_config(**{**others, name: value})
    assert preparation_options(base, 0, 30) != preparation_options(changed, 0, 30)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., pd.DataFrame]:
    """Runs settings in weather in which everything varies, by day in the north, night south."""
    lab = Laboratory(tmp_path_factory.mktemp("settings"))
    x, y = nodes()
    up = np.arange(lab.grid.n_levels, dtype=float)
    upper = {
        "UWND": per_level(1.0 + 0.4 * up) + 0.05 * x,
        "VWND": per_level(0.2 * up) + 0.02 * x,
        "DZDT": per_level(0.02 * np.sin(up)),
        "TEMP": per_level(300.0 - 3.0 * up),
        "TKEN": per_level(1.0 / (1.0 + up)),
    }
    surface = {"SHTF": np.where(y > 0, 200.0, -20.0), "SHGT": 100.0, "T02M": 299.0, "U10M": 0.7}
    lab.weather((upper, surface))
    time = pd.Timestamp(START)
    receptors = [
        PointReceptor(time=time, longitude=0.0, latitude=lat, altitude=150.0)
        for lat in (0.05, -0.05)
    ]

    def tables(**settings: object) -> pd.DataFrame:
        config = {"numpar": 20, "kmixd": 3, **settings}
        releases = [release_of(r, str(r.id), model_config(**config)) for r in receptors]
        return pd.concat(lab.run(releases, **config), ignore_index=True)

    return tables


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(_CHANGES))
def test_settings_change_what_particles_do(run: Callable[..., pd.DataFrame], name: str) -> None:
    value, others = _CHANGES[name]
    assert not run(**others).equals(run(**{**others, name: value}))


@pytest.mark.slow
def test_settings_without_effect_change_nothing(run: Callable[..., pd.DataFrame]) -> None:
    base = run()
    assert base.equals(run())
    for name, value in {"krand": 2, "krnd": 12, "maxpar": 5000}.items():
        assert name in NO_EFFECT
        assert base.equals(run(**{name: value})), name
