"""What every configuration section shares: described fields, strict keys, one-sentence errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_core import ErrorDetails

from stilt.config.rstilt_names import RSTILT_SETTINGS
from stilt.errors import ConfigValidationError
from stilt.nearest_names import nearest

Visibility = Literal["basic", "advanced", "expert"]
Location = tuple[str | int, ...]

_MOST_NAMES = 20
_MOST_SENTENCES = 5


class ConfigFieldError(ConfigValidationError):
    """A configuration mistake that knows which keys it concerns.

    Attributes:
        problems: pairs of a location, as the keys that lead to it, and one sentence.
    """

    def __init__(self, problems: Sequence[tuple[Location, str]]) -> None:
        self.problems = list(problems)
        super().__init__(joined([problem_sentence(*problem) for problem in self.problems]))

    def __reduce__(self) -> tuple[Any, ...]:
        return (ConfigFieldError, (self.problems,))


def problem(message: str, *location: str | int) -> ConfigFieldError:
    """Return a ConfigFieldError with one sentence about one location."""
    return ConfigFieldError([(location, message)])


def described(
    default: Any,
    description: str,
    *,
    unit: str = "",
    visibility: Visibility = "expert",
    **limits: Any,
) -> Any:
    """Return a pydantic field with a description, a unit and a visibility.

    Args:
        default: the default value, ``...`` for a required field.
        description: one sentence, without the unit.
        unit: unit of the value, empty for none.
        visibility: who needs it: everybody, few, or people who know the model well.
        **limits: further arguments of ``pydantic.Field``, such as ``ge``.
    """
    text = f"{description} [{unit}]" if unit else description
    extra: dict[str, JsonValue] = {"visibility": visibility, "unit": unit}
    if isinstance(default, (dict, list)):
        return Field(
            default_factory=default.copy, description=text, json_schema_extra=extra, **limits
        )
    return Field(default, description=text, json_schema_extra=extra, **limits)


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, not {str(value).lower()}")
    return value


Int = Annotated[int, BeforeValidator(_refuse_bool)]
Float = Annotated[float, BeforeValidator(_refuse_bool), Field(allow_inf_nan=False)]


class Section(BaseModel):
    """A frozen section of the configuration.

    Raises:
        ConfigValidationError: a key is unknown, missing, or has a wrong value; all mistakes are
            named in one message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    def __init__(self, **data: Any) -> None:
        # Pydantic would fail on such keys with a TypeError that names no place.
        problems = list(_keys_that_are_not_text(data, ()))
        if problems:
            raise ConfigFieldError(problems)
        try:
            super().__init__(**data)
        except ValidationError as error:
            problems = [
                found for item in error.errors() for found in _problems(item, type(self), data)
            ]
            raise ConfigFieldError(problems) from None

    def __eq__(self, other: object) -> bool:
        # Pydantic would compare private attributes too, which only say how a value was written.
        return type(self) is type(other) and self.__dict__ == other.__dict__


def _keys_that_are_not_text(data: Any, where: Location) -> Iterator[tuple[Location, str]]:
    """Yield a problem for each key, at any depth, that is not text."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if isinstance(key, str):
            yield from _keys_that_are_not_text(value, (*where, key))
        else:
            comma = isinstance(key, int) and value is None
            advice = "; decimal numbers have a point, not a comma" if comma else ""
            yield where, f"{key!r} cannot be a name or a key: it must be text{advice}"


def joined(sentences: Sequence[str]) -> str:
    """Return the first sentences as one line, and how many more there are."""
    more = len(sentences) - _MOST_SENTENCES
    rest = [f"and {more} more"] if more > 0 else []
    return "; ".join([*sentences[:_MOST_SENTENCES], *rest])


def unknown_key(key: object, known: Iterable[str]) -> str:
    """Return the sentence about an unknown key, naming the nearest known one.

    For a setting of R-STILT it is the one that is meant, wherever that belongs.
    """
    if str(key) in RSTILT_SETTINGS:
        return f"unknown key '{key}', which R-STILT has: here it is {RSTILT_SETTINGS[str(key)]}"
    near = nearest(key, known)
    if near:
        return f"unknown key '{key}': did you mean '{near}'?"
    names = list(known)
    if len(names) > _MOST_NAMES:
        return f"unknown key '{key}': the configuration reference lists the known ones"
    return f"unknown key '{key}': the known ones are {', '.join(names)}"


def _problems(
    item: ErrorDetails, model: type[BaseModel], data: dict[str, Any]
) -> list[tuple[Location, str]]:
    """Turn one pydantic error into locations and sentences."""
    location: Location = tuple(item["loc"])
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ConfigFieldError):
        return [(location + inner, message) for inner, message in cause.problems]
    if item["type"] == "extra_forbidden":
        return [(location, unknown_key(location[-1], model.model_fields))]
    if item["type"] == "missing":
        return [(location, "is required")]
    if isinstance(cause, Exception):
        return [(location, str(cause))]
    message = item["msg"][0].lower() + item["msg"][1:]
    given = repr(item["input"])
    return [(location, f"{message}, got {given if len(given) < 60 else given[:57] + '...'}")]


def problem_sentence(location: Location, message: str) -> str:
    """Put the location in front of the message, unless the message names the key itself."""
    path = ".".join(str(part) for part in location)
    if message.startswith("unknown key"):
        parent = ".".join(str(part) for part in location[:-1])
        return f"{parent}: {message}" if parent else message
    if not path:
        return message
    return f"{path} {message}" if message.startswith("is ") else f"{path}: {message}"
