"""Settings of the machine rather than of the science, read from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stilt.config.base import described
from stilt.errors import ConfigValidationError


class RuntimeSettings(BaseSettings):
    """Settings from ``STILT_...`` environment variables; arguments given in code win.

    Raises:
        ConfigValidationError: a value is not usable; the message names the variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="STILT_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    compute_root: Path | None = described(
        None, "Folder in which workers compute before results are published", visibility="advanced"
    )
    cache_dir: Path | None = described(
        None,
        "Folder for what projects share: prepared weather, compiled code",
        visibility="advanced",
    )
    weather_cache_gb: float = described(
        100.0,
        "Most disk that prepared weather and downloaded crops take in the cache folder; what was "
        "not used for longest goes first",
        unit="GB",
        visibility="advanced",
        gt=0,
    )
    copies_gb: float = described(
        20.0,
        "Most disk that copies of outputs on a URL take on this machine, for each project; what "
        "was not used for longest goes first",
        unit="GB",
        visibility="advanced",
        gt=0,
    )
    max_rows: int | None = described(
        None,
        "Most rows kept in the index; the oldest finished ones are removed first",
        unit="rows",
        visibility="expert",
        ge=1,
    )

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(type(self).model_fields)
                raise ConfigValidationError(
                    f"unknown runtime setting '{name}': known are {known}"
                ) from None
            raise ConfigValidationError(
                f"runtime setting {name} (environment variable STILT_{name.upper()}): "
                f"{first['msg']}, got {first['input']!r}"
            ) from None

    @field_validator("compute_root", "cache_dir")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.expandvars(value)).expanduser()
