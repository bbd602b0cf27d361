"""Runs a notebook without Jupyter, and writes it as a page with its results.

``python docs/notebook.py`` runs the notebooks of the documentation in a scratch folder and writes
their pages. The tests run the same cells.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

PAGES = Path(__file__).parent / "pages"
NOTEBOOKS = {"first-project": PAGES / "notebooks" / "first_project.ipynb"}
NOTE = "<!-- Written by docs/notebook.py from notebooks/{name}: change that, then run it again. -->"


@dataclass(frozen=True)
class Cell:
    """One cell, and what it gave when it ran.

    Attributes:
        kind: ``markdown`` or ``code``.
        source: its text.
        output: what it printed, and the value of its last expression.
        figures: matplotlib figures it left open.
    """

    kind: str
    source: str
    output: str = ""
    figures: tuple[Any, ...] = ()


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [Cell(cell["cell_type"], "".join(cell["source"])) for cell in document["cells"]]


def run_cells(cells: list[Cell], folder: Path) -> list[Cell]:
    """Run the code cells in order in a folder, in this process; return them with their results."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__notebook__"}
    before = Path.cwd()
    os.chdir(folder)
    try:
        done = []
        for number, cell in enumerate(cells):
            if cell.kind == "code":
                output = _run(cell.source, f"cell {number}", names)
                figures = tuple(pyplot.figure(each) for each in pyplot.get_fignums())
                cell = Cell(cell.kind, cell.source, output, figures)
                pyplot.close("all")
            done.append(cell)
        return done
    finally:
        os.chdir(before)


def _run(source: str, label: str, names: dict[str, Any]) -> str:
    """Run one cell; like Jupyter, show the value of a last line that is an expression."""
    tree = ast.parse(source, label)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    quiet = source.rstrip().endswith(";")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, label, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), label, "eval"), names)
            if value is not None and not quiet:
                print(value)
    return printed.getvalue()


def page(name: str, path: Path, cells: list[Cell], scratch: Path) -> str:
    """Return a run notebook as Markdown and write its figures beside the page."""
    parts = [NOTE.format(name=path.name)]
    pictures = 0
    for cell in cells:
        if cell.kind == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if cell.output.strip():
            text = cell.output.replace(str(scratch), "…")
            text = re.sub(r"[ \t]+$", "", text, flags=re.M).rstrip("\n")
            parts.append(f"```text\n{text}\n```")
        for figure in cell.figures:
            pictures += 1
            target = PAGES / "pictures" / f"{name}-{pictures}.png"
            target.parent.mkdir(exist_ok=True)
            figure.savefig(target, dpi=90)
            parts.append(f"![figure {pictures}](pictures/{target.name})")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Run every notebook and write its page."""
    for name, path in NOTEBOOKS.items():
        with tempfile.TemporaryDirectory() as scratch:
            cells = run_cells(read_cells(path), Path(scratch))
            text = page(name, path, cells, Path(scratch))
        (PAGES / f"{name}.md").write_text(text, encoding="utf-8")
        print(f"wrote {PAGES / name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
