"""Where a run's simulations are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from stilt.config.base import Int, Section, described, problem, unknown_key


class ExecutionConfig(Section):
    """The backend, its workers and their device; keys only a backend knows go to ``options``."""

    backend: str = described(
        "local",
        "Where simulations run: local (this machine), slurm (job arrays), prefect (a deployment), "
        "dask (a cluster) or the name of another installed backend",
        visibility="basic",
        min_length=1,
    )
    n_workers: Int = described(
        1,
        "Worker processes; 1 computes in the calling process",
        visibility="basic",
        ge=1,
        le=100_000,
    )
    device: Literal["auto", "cpu", "gpu"] = described(
        "auto",
        "Device for particle transport; auto takes a GPU if there is one and one worker; with gpu "
        "one worker has it, and the others make footprints and files",
        visibility="advanced",
    )
    options: dict[str, Any] = described(
        {},
        "Options of a backend other than local; unknown keys beside backend end up here",
        visibility="advanced",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("backend", "local") == "local":
            return data
        known = {key: value for key, value in data.items() if key in cls.model_fields}
        extra = {key: value for key, value in data.items() if key not in cls.model_fields}
        if extra:
            known["options"] = {**extra, **(known.get("options") or {})}
        return known

    @model_validator(mode="after")
    def _local_has_no_options(self) -> ExecutionConfig:
        if self.backend == "local" and self.options:
            key = next(iter(self.options))
            raise problem(unknown_key(key, list(type(self).model_fields)), key)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain values in the form config.yaml uses, options beside the other keys."""
        data = self.model_dump(mode="json")
        options = data.pop("options")
        return {**data, **options}
