"""What to write instead of an attribute that people expect of arrays and tables."""

from __future__ import annotations

from collections.abc import Mapping


def no_attribute(owner: object, name: str, instead: Mapping[str, str]) -> AttributeError:
    """Return the error of an attribute that an object does not have.

    Args:
        owner: the object.
        name: of the attribute.
        instead: what to write, by names of attributes that people expect.
    """
    said = f"{type(owner).__name__!r} object has no attribute {name!r}"
    if name in instead:
        said += f": {instead[name]}"
    return AttributeError(said, name=name, obj=owner)
