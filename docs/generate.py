"""Writes what repeats the code: config.yaml, the command line, the API, the picture of layers.

``python docs/generate.py`` writes them; with ``--check`` it only says which are out of date.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click
from api_pages import api_pages
from docstring_roles import with_real_units
from layers_picture import layers_picture

from stilt.config import DocumentedField, iter_documented_fields, starter_yaml
from stilt.config.transport import FIXED_NOTE

PAGES = Path(__file__).parent / "pages" / "reference"
PICTURES = Path(__file__).parent / "pages" / "pictures"
NOTE = "<!-- Written by docs/generate.py from the code: change the code, then run `make docs`. -->"

SECTIONS = {
    "top": ("Sections of the file", "Each is explained below; other keys are at the top level."),
    "run": ("Run controls", "What is computed, and which outputs are kept."),
    "transport": (
        "Transport",
        "The names are HYSPLIT's. Settings that have an effect here are listed first, with the "
        "values they accept. The rest are accepted only at their default, so that a file written "
        "for HYSPLIT loads; any other value is an error that names the key, because a setting "
        "that is silently ignored is worse than an error.",
    ),
    "errors": (
        "Transport error",
        "Give all of a group or none of it: wind errors are siguverr, tluverr, zcoruverr and "
        "horcoruverr; mixed-layer errors are sigzierr, tlzierr and horcorzierr.",
    ),
    "mets": (
        "Meteorology",
        "`mets` maps a name to a set of weather files; every receptor is run with each of them. "
        "The ids of simulations begin with the name.",
    ),
    "subgrid_bounds": ("Area to crop the weather to", ""),
    "grids": (
        "Grids",
        "Corners are in degrees, cell sizes in the units of the projection (degrees, "
        "or metres for a projected grid).",
    ),
    "footprints": (
        "Footprints",
        "`footprints` maps names to settings of footprints. Without any, a run keeps only "
        "trajectories.",
    ),
    "vertical_operator": (
        "Transform: vertical operator",
        "Weights particles by the height they were released at.",
    ),
    "averaging_kernel": (
        "Transform: averaging kernel",
        "Weights particles with the kernel of their measurement at their release pressure.",
    ),
    "pressure_weighting": (
        "Transform: pressure weighting",
        "Weights particles by their share of the air in the column: the weights sum to "
        "(pressure at the bottom − pressure at the top) / surface pressure.",
    ),
    "mass_weighting": (
        "Transform: mass weighting",
        "Multiplies influence by `dmas`, a first-order correction of winds that do not conserve "
        "mass. Needs `dmas` in `varsiwant`.",
    ),
    "import": (
        "Transform: your own",
        "The object must have `apply(particles, *, context)`: see "
        "[Columns and kernels](../columns.md).",
    ),
    "first_order_lifetime": (
        "Transform: first-order lifetime",
        "Lets influence decay with the age of the air.",
    ),
    "observations": (
        "Observations",
        "`observations` maps a name to files of measurements, for `stilt observe`. Their soundings "
        "become receptors; values and averaging kernels are kept in `observations/` under the "
        "name.",
    ),
    "output": (
        "How results are laid out",
        "Files, or a [store](../store.md) for thousands of receptors. Results do not depend on it.",
    ),
    "execution": ("Execution", "Where simulations run and on how many processes."),
    "environment": (
        "Environment",
        "Settings of a machine rather than a project, read from environment variables.",
    ),
}

# What click calls a kind of value, and what a reader does.
KINDS = {"INTEGER RANGE": "N", "INTEGER": "N", "FLOAT RANGE": "NUMBER", "FLOAT": "NUMBER"}


def config_page() -> str:
    """Return the reference of config.yaml as Markdown."""
    parts = [
        NOTE,
        "# config.yaml",
        "This page lists all keys. For an unknown key the run stops and suggests the nearest known "
        "name. Keys with a default may be left out. `stilt init` writes this starter:",
        f"```yaml\n{starter_yaml().rstrip()}\n```",
    ]
    for section, group in groupby(iter_documented_fields(), key=lambda field: field.section):
        fields = list(group)
        title, text = SECTIONS[section]
        parts.append(f"## {title}")
        if fields[0].path:
            parts.append(f"Under `{fields[0].path}`." if section != "environment" else "")
        parts.append(text)
        parts += _section_body(section, fields)
    return "\n\n".join(part for part in parts if part) + "\n"


def _section_body(section: str, fields: list[DocumentedField]) -> Iterator[str]:
    if section != "transport":
        yield table(["key", "meaning", "type", "default"], [_row(field) for field in fields])
        return
    live = [field for field in fields if field.accepted != field.default]
    fixed = [field for field in fields if field.accepted == field.default]
    header = ["key", "meaning", "accepts", "default"]
    yield table(header, [_transport_row(field) for field in live])
    yield "Accepted at the default only:"
    rows = ([f"`{f.name}`", f.description.replace(FIXED_NOTE, ""), f"`{f.default}`"] for f in fixed)
    yield table(["key", "meaning", "default"], rows)


def _row(field: DocumentedField) -> list[str]:
    name = f"STILT_{field.name.upper()}" if field.section == "environment" else field.name
    return [f"`{name}`", field.description, field.type, f"`{field.default}`"]


def _transport_row(field: DocumentedField) -> list[str]:
    return [f"`{field.name}`", field.description, field.accepted, f"`{field.default}`"]


def cli_page() -> str:
    """Return the reference of the command line as Markdown."""
    from stilt.cli import cli

    parts = [
        NOTE,
        "# Command line",
        "`stilt` and `python -m stilt` are the same. Exit codes: 0 everything asked for is "
        "complete (an empty footprint is complete); 1 some simulations failed or are unfinished; "
        "2 the input is wrong: one line on standard error says what; 3 interrupted.",
    ]
    context = click.Context(cli, info_name="stilt")
    for name, command in cli.commands.items():
        parts += _command_section(name, command, context)
        if isinstance(command, click.Group):
            group = click.Context(command, info_name=name, parent=context)
            for verb, below in command.commands.items():
                parts += _command_section(verb, below, group)
    return "\n\n".join(parts) + "\n"


def _command_section(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"## {context.command_path}"
    yield f"```\n{usage}\n```"
    yield from _prose(command.help or "")
    yield from _prose(command.epilog or "")
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [
        _option(record[0], _meaning(record[1]))
        for record in records
        if record and record[1] and not record[0].endswith("--help")
    ]
    if rows:
        yield table(["option", "meaning"], rows)


def _meaning(text: str) -> str:
    """Return what an option means, with click's bounds in words."""
    text = " ".join(text.split()).replace("] [", "; ")
    text = re.sub(r"(\S+)<=x<=([^\s\]]+)", r"\1 to \2", text)
    return re.sub(r"x>=([^\s\]]+)", r"at least \1", text)


def _option(name: str, meaning: str) -> list[str]:
    """Return the row of an option; a long choice stands beside it, where there is room."""
    for kind, word in KINDS.items():
        name = re.sub(rf" {kind}$", f" {word}", name)
    option, _, choice = name.partition(" [")
    choices = choice.rstrip("]").split("|")
    if len(choices) < 4:
        return [f"`{name}`", meaning]
    return [f"`{option}`", f"{meaning} One of {', '.join(f'`{each}`' for each in choices)}."]


def _prose(text: str) -> Iterator[str]:
    """Paragraphs of a help text; those that click must not wrap are shown as they are."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if "\b" in paragraph:
            yield "```\n" + inspect.cleandoc(paragraph.replace("\b", "")).strip("\n") + "\n```"
        elif paragraph.strip():
            yield _options_as_code(paragraph.strip())


def _options_as_code(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if number % 2 else re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", part)
        for number, part in enumerate(parts)
    )


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """Escape bars, which end a cell; a backslash before one in code would be shown."""
    code = re.sub(
        r"`([^`]*\|[^`]*)`",
        lambda found: f"<code>{html.escape(found[1]).replace('|', '&#124;')}</code>",
        text,
    )
    return _outside_code(code.replace("|", "\\|"))


def _outside_code(text: str) -> str:
    """Write units with their signs, and `<name>` so that it is no tag of HTML."""
    parts = re.split(r"(`[^`]*`|<code>.*?</code>)", text)
    return "".join(
        part if number % 2 else with_real_units(part).replace("<", "&lt;")
        for number, part in enumerate(parts)
    )


def main() -> int:
    """Write the pages, or with ``--check`` compare them; 1 when one is out of date."""
    check = "--check" in sys.argv[1:]
    status = 0
    for path, text in (
        (PAGES / "config.md", config_page()),
        (PAGES / "cli.md", cli_page()),
        (PICTURES / "layers.svg", layers_picture()),
        *((PAGES / "api" / name, text) for name, text in api_pages().items()),
    ):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            print(f"{path} is out of date: run python docs/generate.py")
            status = 1
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return status


if __name__ == "__main__":
    sys.exit(main())
