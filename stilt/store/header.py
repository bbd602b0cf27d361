"""What a shard says of itself, as JSON in the metadata of its schema."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KEY = b"stilt"
# Parquet has check sums of its pages, but none of its metadata.
CHECKSUM = b"stilt_crc32"
FORMAT = 1


@dataclass(frozen=True)
class Stored:
    """One simulation in a shard.

    Attributes:
        sim_id: the simulation.
        receptor: JSON of its receptor.
        hash: what made it; see :mod:`stilt.project.keys`.
        rows: rows of it.
        total: of a footprint, ppm per (umol m-2 s-1), before it was rounded to float32.
        empty_reason: of a footprint, why all is zero, "" when it is not.
        hours: of a footprint, its layers, as hours from the receptor's time.
        counts: of a footprint, the rows of each layer.
        shared: what simulations have in common: ``met_files``, ``device``, ``jax``, ``version``,
            and of particles the settings (``params``) of their transport.
    """

    sim_id: str
    receptor: str
    hash: str
    rows: int = 0
    total: float | None = None
    empty_reason: str = ""
    hours: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    shared: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Header:
    """What a shard holds.

    Attributes:
        kind: ``footprints``, ``particles`` or ``error_particles``.
        name: of the footprints.
        settings: of the footprints: axes, grid, smoothing and the like.
        simulations: whose rows these are, in their order.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    simulations: Sequence[Stored]

    def metadata(self) -> dict[bytes, bytes]:
        """Return the header and its check sum as metadata of a file."""
        content = self.encode()
        return {KEY: content, CHECKSUM: b"%08x" % zlib.crc32(content)}

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> Header:
        """Read the header in the metadata of a file.

        Raises:
            ValueError, KeyError, TypeError: there is none, or it was changed.
        """
        if metadata is None or KEY not in metadata:
            raise ValueError("it is not a shard of stilt's")
        if metadata.get(CHECKSUM) != b"%08x" % zlib.crc32(metadata[KEY]):
            raise ValueError("its metadata do not agree with their check sum")
        return cls.decode(metadata[KEY])

    def encode(self) -> bytes:
        """Return the header as JSON, a column for each property of simulations."""
        shared = {json.dumps(each.shared, sort_keys=True): each.shared for each in self.simulations}
        places = {text: number for number, text in enumerate(shared)}
        columns: dict[str, list[Any]] = {
            "sim_id": [each.sim_id for each in self.simulations],
            "receptor": [json.loads(each.receptor) for each in self.simulations],
            "hash": [each.hash for each in self.simulations],
            "rows": [each.rows for each in self.simulations],
            "shared": [
                places[json.dumps(each.shared, sort_keys=True)] for each in self.simulations
            ],
        }
        if self.kind == "footprints":
            columns["total"] = [each.total for each in self.simulations]
            columns["empty_reason"] = [each.empty_reason for each in self.simulations]
            columns["hours"] = [list(each.hours) for each in self.simulations]
            columns["counts"] = [list(each.counts) for each in self.simulations]
        told = {
            "format": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "settings": dict(self.settings),
            "shared": list(shared.values()),
            "simulations": columns,
        }
        return json.dumps(told, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, content: bytes) -> Header:
        """Read a header.

        Raises:
            ValueError, KeyError, TypeError: it is not one of this format.
        """
        told = json.loads(content)
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']} is not known")
        columns, shared = told["simulations"], told["shared"]
        number = len(columns["sim_id"])
        totals = columns.get("total") or [None] * number
        reasons = columns.get("empty_reason") or [""] * number
        hours = columns.get("hours") or [()] * number
        counts = columns.get("counts") or [()] * number
        dump = json.JSONEncoder(separators=(",", ":")).encode
        simulations = [
            Stored(
                sim_id, dump(receptor), made, rows, total, why, tuple(of), tuple(each),
                shared[place],
            )
            for sim_id, receptor, made, rows, total, why, of, each, place in zip(
                columns["sim_id"], columns["receptor"], columns["hash"], columns["rows"],
                totals, reasons, hours, counts, columns["shared"], strict=True,
            )
        ]  # fmt: skip
        return cls(told["kind"], told["name"], told["settings"], simulations)
