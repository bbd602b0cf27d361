"""Every public name has a page, and says what it is: classes, their members, fields, tables."""

import dataclasses
import enum
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

import stilt
from stilt.project.schema import TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load(name: str):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


api = load("api_pages")
NAMES = [path for names in api.names_of_pages().values() for path in names]
MODULES = ["stilt", *api.MODULES]


def test_every_public_name_is_on_one_page() -> None:
    homes = [api.home(path) for path in NAMES]
    assert len(homes) == len(set(homes))
    wanted = {api.home(path) for module in MODULES for path in api.public_names(module)}
    assert wanted - set(homes) == set()
    assert {f"stilt.{name}" for name in stilt.__all__ if name != "__version__"} <= {
        path for path in NAMES if path.count(".") == 1
    }


def test_every_page_is_in_the_navigation() -> None:
    import yaml

    text = (DOCS / "mkdocs.yml").read_text(encoding="utf-8")
    pages = set(re.findall(r"([\w/-]+\.md)$", text, re.M))
    written = {str(path.relative_to(DOCS / "pages")) for path in (DOCS / "pages").rglob("*.md")}
    assert written == pages
    assert yaml.safe_load(text)["site_name"] == "stilt"


@pytest.mark.parametrize("path", NAMES)
def test_a_public_name_is_described(path: str) -> None:
    value = api.found(path)
    if not inspect.isclass(value) and not inspect.isroutine(value) and "flows." not in path:
        assert description_of_constant(path), f"{path} has no string after it that describes it"
        return
    if path.startswith("flows."):
        value = value.fn
    assert inspect.getdoc(value), f"{path} has no docstring"
    if inspect.isclass(value):
        assert undescribed_members(value) == []
        assert undescribed_fields(value) == []


def description_of_constant(path: str) -> str:
    """What follows the assignment of a constant, in the module that assigns it."""
    import griffe

    loaded = griffe.load(path.rpartition(".")[0], search_paths=[DOCS.parent], resolve_aliases=True)
    docstring = loaded[path.rpartition(".")[2]].docstring
    return docstring.value if docstring else ""


def undescribed_members(kind: type) -> list[str]:
    """Public methods and properties of a class, defined by us, without a docstring."""
    lacking = []
    for name, value in vars(kind).items():
        raw = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        described = isinstance(raw, property) or inspect.isfunction(raw)
        if not name.startswith("_") and described and not inspect.getdoc(raw):
            lacking.append(name)
    return lacking


def undescribed_fields(kind: type) -> list[str]:
    """Fields of a configuration without a description, of a dataclass without an attribute."""
    if issubclass(kind, BaseModel):
        return [name for name, field in kind.model_fields.items() if not field.description]
    if dataclasses.is_dataclass(kind) and not issubclass(kind, enum.Enum):
        text = inspect.getdoc(kind) or ""
        own = vars(kind).get("__annotations__", {})
        return [
            field.name
            for field in dataclasses.fields(kind)
            if field.name in own
            and not field.name.startswith("_")
            and not re.search(rf"\b{field.name}\b", text)
        ]
    return []


def test_the_index_is_described_column_by_column() -> None:
    text = (DOCS / "pages" / "results.md").read_text(encoding="utf-8")
    tables = dict(re.findall(r"CREATE TABLE (\w+) \(([^;]*?)\);", TABLES))
    assert {"simulations", "footprints", "meta"} <= set(tables)
    missing = []
    for table, body in tables.items():
        if table == "meta":
            continue
        columns = re.findall(
            r"^\s+(\w+) (?:VARCHAR|TIMESTAMP|BIGINT|INTEGER|DOUBLE|BOOL)", body, re.M
        )
        assert columns, table
        missing += [f"{table}.{name}" for name in columns if f"`{name}`" not in text]
    assert missing == []


def test_roles_of_docstrings_become_code() -> None:
    roles = load("docstring_roles")
    text = "See :meth:`~stilt.Model.run`, :class:`.Run` and ``x``."
    assert roles.without_roles(text) == "See `stilt.Model.run`, `Run` and ``x``."


def test_a_result_with_a_colon_stays_whole() -> None:
    roles = load("docstring_roles")
    text = "Do.\n\nReturns:\n    A table: ``a``,\n    and ``b``: more.\n\nRaises:\n    E: why.\n"
    whole = text.replace("table: ", "table&#58; ").replace("``b``: ", "``b``&#58; ")
    assert roles.with_whole_result(text) == whole


def test_units_of_docstrings_have_their_signs_outside_code() -> None:
    roles = load("docstring_roles")
    text = "Flux in umol m-2 s-1, ``kg m-2 h-1`` or J kg-1 K-1; dims-2, 1e-2 and s-10 stay."
    shown = "Flux in µmol m⁻² s⁻¹, ``kg m-2 h-1`` or J kg⁻¹ K⁻¹; dims-2, 1e-2 and s-10 stay."
    assert roles.with_real_units(text) == shown


def test_long_names_break_between_their_parts_and_short_ones_stay_whole() -> None:
    inline = load("inline_code")
    page = "<p><code>lagrangian_tendency_of_air_pressure</code> or <code>air_pressure</code></p>"
    shown = "lagrangian_<wbr>tendency_<wbr>of_<wbr>air_<wbr>pressure"
    assert inline.on_page_content(page) == (
        f'<p><code>{shown}</code> or <code class="whole">air_pressure</code></p>'
    )
