"""Runs the tutorials without Jupyter, and writes each as a page with its results and a notebook.

``python docs/notebook.py`` runs the scripts in docs/tutorials, each in a scratch folder of its own,
and writes their pages and notebooks; with names only those. The tests run the same cells.
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
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

from stilt.demo.notebook import NotebookCell, notebook_text, read_percent_script

DOCS = Path(__file__).parent
TUTORIALS = DOCS / "tutorials"
PAGES = DOCS / "pages" / "tutorials"
PICTURES = DOCS / "pages" / "pictures"
NOTE = (
    "<!-- Written by docs/notebook.py from docs/tutorials/{name}.py: change that, then run it "
    "again. -->"
)
DOWNLOAD = "[Download this page as a notebook]({name}.ipynb)"


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


def names() -> list[str]:
    """Return the names of the tutorials."""
    return sorted(path.stem for path in TUTORIALS.glob("*.py"))


def tutorial(name: str) -> list[NotebookCell]:
    """Return the cells of a tutorial."""
    return read_percent_script((TUTORIALS / f"{name}.py").read_text(encoding="utf-8"))


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [Cell(cell["cell_type"], "".join(cell["source"])) for cell in document["cells"]]


def run_cells(cells: list[Any], folder: Path) -> list[Cell]:
    """Run the code cells in order in a folder, in this process; return them with their results."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__notebook__"}
    before = Path.cwd()
    # Figures that others in this process have left open are none of the notebook's.
    pyplot.close("all")
    os.chdir(folder)
    try:
        done = []
        # A style that a notebook chooses ends with it.
        with matplotlib.rc_context():
            for number, cell in enumerate(cells):
                output, figures = "", ()
                if cell.kind == "code":
                    output = _run(cell.source, f"cell {number}", names)
                    figures = tuple(pyplot.figure(each) for each in pyplot.get_fignums())
                    pyplot.close("all")
                done.append(Cell(cell.kind, cell.source, output, figures))
            return done
    finally:
        os.chdir(before)


def _run(source: str, label: str, names: dict[str, Any]) -> str:
    """Run one cell; like Jupyter, show the value of a last line that is an expression."""
    lines = [_shell(line) for line in source.splitlines()]
    tree = ast.parse("\n".join(lines), label)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    quiet = source.rstrip().endswith(";")
    names.setdefault("_shell_line", run_in_shell)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, label, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), label, "eval"), names)
            if value is not None and not quiet:
                print(value)
    return printed.getvalue()


def _shell(line: str) -> str:
    """Return a line that Jupyter hands to a shell as a call that does the same."""
    return f"_shell_line({line[1:]!r})" if line.startswith("!") else line


def run_in_shell(command: str) -> None:
    """Run a command line of `stilt` in this process, and print what it prints.

    Raises:
        AssertionError: it is no command of `stilt`.
    """
    import shlex

    from click.testing import CliRunner

    from stilt.cli import cli

    words = shlex.split(command, comments=True)
    assert words[0] == "stilt", f"{command}: only commands of stilt are run"
    print(CliRunner().invoke(cli, words[1:]).output, end="")


def page(name: str, cells: list[Cell], scratch: Path) -> str:
    """Return a tutorial that was run as Markdown, and write its figures."""
    parts = [NOTE.format(name=name)]
    pictures = 0
    for number, cell in enumerate(cells):
        if cell.kind == "markdown":
            parts.append(cell.source)
            if number == 0:
                parts.append(DOWNLOAD.format(name=name))
            continue
        parts.append(block(cell.source))
        if cell.output.strip():
            text = cell.output.replace(f"{scratch}{os.sep}", "").replace(str(scratch), ".")
            text = re.sub(r"[ \t]+$", "", text, flags=re.M).rstrip("\n")
            parts.append(f"```text\n{text}\n```")
        for figure in cell.figures:
            pictures += 1
            target = PICTURES / f"{name}-{pictures}.png"
            target.parent.mkdir(exist_ok=True)
            figure.savefig(target, dpi=90)
            parts.append(f"![Figure {pictures} of this page](../pictures/{target.name})")
    return "\n\n".join(parts) + "\n"


def block(source: str) -> str:
    """Return a code cell for the page; commands of the shell as one types them there."""
    if all(line.startswith("!") for line in source.splitlines()):
        return f"```bash\n{re.sub(r'^!', '', source, flags=re.M)}\n```"
    return f"```python\n{source}\n```"


def main() -> int:
    """Run the tutorials that were named, or all, and write their pages and notebooks."""
    sys.path.insert(0, str(DOCS.parent))
    PAGES.mkdir(exist_ok=True)
    for name in sys.argv[1:] or names():
        begun = time.perf_counter()
        cells = tutorial(name)
        with tempfile.TemporaryDirectory() as scratch:
            text = page(name, run_cells(cells, Path(scratch)), Path(os.path.realpath(scratch)))
        (PAGES / f"{name}.md").write_text(text, encoding="utf-8")
        (PAGES / f"{name}.ipynb").write_text(notebook_text(cells), encoding="utf-8")
        print(f"wrote {PAGES / name}.md in {time.perf_counter() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
