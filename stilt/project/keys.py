"""Content keys: what made an output, so that a changed configuration is noticed.

An output file stores ``<key>.<receptor key>.<weather>``. The key of a trajectory covers everything
in the configuration that can change its particles, where its weather is and the version of the
physics; the key of a footprint covers its own settings, the version of the gridding and the key
of its trajectory. Keys depend on the configuration alone, so that a million simulations share a few
of them. What the weather files held is described separately, by
:mod:`stilt.meteorology.fingerprint`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilt.config import MetConfig
from stilt.config.meteorology import is_campaign
from stilt.project.kernels import Kernels
from stilt.roots import expanded, place_of

if TYPE_CHECKING:
    from stilt.config import ModelConfig
    from stilt.receptors import Receptor
    from stilt.roots import Place

# Raised whenever particles of the same configuration change.
PHYSICS_VERSION = 4
# Raised whenever footprints of the same particles and configuration change.
GRIDDING_VERSION = 4

ERROR_SUFFIX = "_error"

_USUAL_WIND = MetConfig.model_fields["fastest_wind"].default


@dataclass(frozen=True)
class Expectation:
    """Outputs that one meteorology's simulations must have to be complete, with their keys.

    Attributes:
        transport: key of the main trajectory.
        error: key of the perturbed trajectory, None without error runs.
        footprints: key of every footprint by name, ``<name>_error`` among them.
        keeps_particles: whether trajectories stay on disk.
        former: these keys by those that the same outputs had where weather was before, or that
            another program's have (the setting ``moved_from``).
    """

    transport: str
    error: str | None
    footprints: Mapping[str, str]
    keeps_particles: bool = True
    former: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """All keys, by what they are of."""
        error = {"error": self.error} if self.error is not None else {}
        footprints = {f"footprint {name}": key for name, key in self.footprints.items()}
        return {"transport": self.transport, **error, **footprints}

    def is_met(self, have: str | None, wanted: str | None) -> bool:
        """Return whether an output with a key is the one that is wanted."""
        return have == wanted or (have is not None and self.former.get(have) == wanted)

    def accepted(self, wanted: str | None) -> list[str]:
        """Return all keys of the output that is wanted, none where none is."""
        if wanted is None:
            return []
        return [wanted, *(key for key, now in self.former.items() if now == wanted)]


def digest(data: Any) -> str:
    """16 hex digits that stand for plain JSON-able data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def receptor_key(receptor: Receptor) -> str:
    """Key of what particles of a receptor depend on, which its labels are not."""
    return digest(receptor.definition())


def content_hash(key: str, receptor: str, weather: str) -> str:
    """Text stored in an output file."""
    return f"{key}.{receptor}.{weather}"


def key_in(stored: str | None) -> str | None:
    """Key part of a text stored in an output file; None when there is none."""
    return stored.split(".", 1)[0] if stored else None


def weather_in(stored: str | None) -> str:
    """Weather part of a text stored in an output file; "" when there is none."""
    return "".join((stored or "").split(".", 2)[2:])


def is_made_by(stored: str, key: str, receptor: str) -> bool:
    """Whether a text stored in an output file names this key and this receptor."""
    return stored.split(".")[:2] == [key, receptor]


def expectations(
    config: ModelConfig, root: Path, kernels: Kernels | None = None
) -> dict[str, Expectation]:
    """What a complete simulation has, for every meteorology of the configuration.

    Args:
        config: the configuration.
        root: output root; weather folders below it count by their relative path, and so do those
            that the configuration names by a relative one, so that a project can be moved together
            with its weather.
        kernels: the project's tables of averaging kernels; None: those in the output root.
    """
    tables = kernels or Kernels([root])
    return {name: _expectation(config, name, root, tables) for name in config.mets}


def _expectation(config: ModelConfig, name: str, root: Path, tables: Kernels) -> Expectation:
    """What a simulation has, and what it had where its weather, or a nest's part of it, was."""
    places = [_identities(config.mets[each], root) for each in config.nest_of(name)]
    now, *before = (_made_from(config, weather, tables) for weather in product(*places))
    former = {key: now.keys[what] for each in before for what, key in each.keys.items()}
    return replace(now, former=former)


def _made_from(
    config: ModelConfig, identities: Sequence[Mapping[str, Any]], tables: Kernels
) -> Expectation:
    weather = identities if len(identities) > 1 else identities[0]
    physics, gridding = PHYSICS_VERSION, GRIDDING_VERSION
    no_matter: set[str] = set()
    if is_campaign(identities[0]["directory"]):
        # Another program's results owe nothing to our nests, versions and random numbers.
        weather, physics, gridding, no_matter = identities[0], 0, 0, {"seed"}

    def transport_settings(error_run: bool) -> dict[str, Any]:
        settings = config.transport_dict(error_run=error_run)
        return {name: value for name, value in settings.items() if name not in no_matter}

    transport = digest([physics, transport_settings(False), weather])
    error = None
    if config.error_run:
        error = digest([physics, transport_settings(True), weather])
    footprints = {}
    for name, footprint in config.footprints.items():
        settings = footprint.model_dump(mode="json", exclude={"error"})
        settings["transforms"] = [tables.identity(each) for each in settings["transforms"]]
        footprints[name] = digest([gridding, settings, transport])
        if footprint.error:
            footprints[name + ERROR_SUFFIX] = digest([gridding, settings, error])
    return Expectation(transport, error, footprints, config.trajectories)


_NO_MATTER = {"directory", "moved_from", "subgrid_dir", "n_min", "backend", "nested_in"}


def _identities(met: MetConfig, root: Path) -> list[dict[str, Any]]:
    """What says which weather a meteorology is: where it is now, then where it was before."""
    fields = met.model_dump(mode="json", exclude=_NO_MATTER)
    usual = {
        "format": "arl",
        "fastest_wind": _USUAL_WIND,
        "cycle": None,
        "lead": None,
        "realization": 0,
    }
    for name, value in usual.items():
        if fields[name] == value:
            del fields[name]
    written = met.written_directory
    names = (written,) if isinstance(written, str) else written
    now = [
        _place_identity(place, name, root) for place, name in zip(met.places, names, strict=True)
    ]
    before = [
        _campaign_identity(met, name)
        if is_campaign(name)
        else {**fields, "directory": _place_identity(place_of(name), name, root)}
        for name in met.moved_from
    ]
    return [{**fields, "directory": now[0] if len(now) == 1 else now}, *before]


def _campaign_identity(met: MetConfig, name: str) -> dict[str, Any]:
    """Return what says that another program had the weather, whose files here do not matter."""
    own = {"realization": met.realization} if met.realization else {}
    return {"directory": name, **own}


def _place_identity(place: Place, written: str, root: Path) -> str:
    """Return a URL as it is, the path of a folder from ``root``, or its real path.

    The path from ``root`` counts for a folder inside, and for one that is named by it, unless a
    symbolic link is on the way.
    """
    if isinstance(place, str):
        return place.rstrip("/")
    # A folder that is not there stays relative; it must not depend on where the program runs.
    base = os.path.realpath(root)
    folder = os.path.realpath(os.path.join(base, place))
    is_inside = os.path.commonpath([folder, base]) == base
    path = expanded(written)
    is_named = not path.is_absolute() and os.path.normpath(os.path.join(base, path)) == folder
    if is_inside or is_named:
        return os.path.relpath(folder, base)
    return folder


def footprint_keys_text(keys: Mapping[str, str], empty: frozenset[str] | set[str]) -> str:
    """Present footprints as the index stores them: ``name=key``, ``name=key:empty``, by name."""
    return ";".join(
        f"{name}={key}{':empty' if name in empty else ''}" for name, key in sorted(keys.items())
    )


def parse_footprint_keys(text: str | None) -> tuple[dict[str, str], set[str]]:
    """Keys by footprint name, and the names of the empty ones."""
    keys: dict[str, str] = {}
    empty: set[str] = set()
    for entry in (text or "").split(";"):
        name, _, rest = entry.partition("=")
        if not name:
            continue
        keys[name], _, mark = rest.partition(":")
        if mark:
            empty.add(name)
    return keys, empty
