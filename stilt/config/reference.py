"""Every documented field, for the reference page and for help texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stilt.config.execution import ExecutionConfig
from stilt.config.footprints import FootprintConfig
from stilt.config.geometry import Bounds, Grid
from stilt.config.meteorology import MetConfig
from stilt.config.model import ModelConfig
from stilt.config.observations import ObservationsConfig
from stilt.config.output import OutputConfig
from stilt.config.run import ErrorParameters, RunControls
from stilt.config.runtime import RuntimeSettings
from stilt.config.support import SUPPORT
from stilt.config.transforms import TRANSFORM_KINDS
from stilt.config.transport import TransportParameters

_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("run", "", RunControls),
    ("transport", "", TransportParameters),
    ("errors", "", ErrorParameters),
    ("mets", "mets.<name>", MetConfig),
    ("subgrid_bounds", "mets.<name>.subgrid_bounds", Bounds),
    ("grids", "grids.<name>", Grid),
    ("footprints", "footprints.<name>", FootprintConfig),
    *((kind, "footprints.<name>.transforms", model) for kind, model in TRANSFORM_KINDS.items()),
    ("observations", "observations.<name>", ObservationsConfig),
    ("output", "output", OutputConfig),
    ("execution", "execution", ExecutionConfig),
    ("environment", "STILT_<NAME>", RuntimeSettings),
)


@dataclass(frozen=True)
class DocumentedField:
    """One field of the configuration, as the reference page shows it.

    Attributes:
        section: group of fields it belongs to.
        path: where the group stands in config.yaml, empty for the top level.
        name: key.
        type: type in words.
        default: default value as text, ``required`` without one.
        description: what it means, with its unit in brackets.
        unit: unit, empty for none.
        visibility: ``basic``, ``advanced`` or ``expert``.
        accepted: values that are supported, where fewer than the type allows.
    """

    section: str
    path: str
    name: str
    type: str
    default: str
    description: str
    unit: str
    visibility: str
    accepted: str


def iter_documented_fields() -> Iterator[DocumentedField]:
    """Yield every field of config.yaml and every environment setting, in reading order."""
    top = {name: ModelConfig.model_fields[name] for name in ModelConfig.__annotations__}
    for name, field in top.items():
        yield _documented("top", "", name, field)
    for section, path, model in _SECTIONS:
        for name, field in model.model_fields.items():
            yield _documented(section, path, name, field)


def _documented(section: str, path: str, name: str, field: FieldInfo) -> DocumentedField:
    extra = field.json_schema_extra
    assert isinstance(extra, dict), f"{section}.{name} is not a described field"
    accepted = ""
    if section == "transport":
        accepted = SUPPORT[name].text if name in SUPPORT else _default(field)
    return DocumentedField(
        section=section,
        path=path,
        name=name,
        type=_type_text(field.annotation),
        default=_default(field),
        description=field.description or "",
        unit=str(extra["unit"]),
        visibility=str(extra["visibility"]),
        accepted=accepted,
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None:
        return "null"
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value) if value != "" else '""'


def _type_text(annotation: Any) -> str:
    """Return a type in the words of YAML."""
    words = {int: "integer", float: "number", str: "text", bool: "true or false"}
    if annotation in words:
        return words[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None:
        return {"Path": "path", "NoneType": "null"}.get(annotation.__name__, "mapping")
    if origin in (list, tuple):
        return "list"
    if origin is dict:
        return "mapping"
    if str(origin) == "typing.Literal":
        *others, last = map(str, arguments)
        return f"{', '.join(others)} or {last}" if others else last
    if hasattr(annotation, "__metadata__"):
        return _type_text(arguments[0])
    return " or ".join(_type_text(item) for item in arguments)
