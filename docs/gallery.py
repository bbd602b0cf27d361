"""Draws the pictures of the gallery and of the page on reports, from a run of the demo.

``python docs/gallery.py`` makes the demo in a scratch folder, or takes the project that
``--project`` names, and writes the page ``gallery.md`` with its pictures. Pictures of pages in a
browser need Chromium; without it they stay as they are. The tests draw the same pictures of another
project.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

if TYPE_CHECKING:
    import stilt

PAGES = Path(__file__).parent / "pages"
PICTURES = PAGES / "pictures"
NOTE = "<!-- Written by docs/gallery.py: change that, then run `make gallery`. -->"
DPI = 100
SIM_ID = "demo_202307160000_-111.85_40.77_30"
INTRODUCTION = """\
# Gallery

Each picture with the code that draws it, on a run of [the demo](start.md): its weather is \
synthetic, its places are real. `make gallery` draws them all again. What the keywords mean is in \
[Pictures](pictures.md)."""
PREFACE = f"""\
```python
import stilt

model = stilt.Model(project="./demo")
footprints = model.footprints["default"]
footprint = footprints["{SIM_ID}"]
trajectories = model.trajectories["{SIM_ID}"]
```"""
SHOWN = (
    ("map", "A footprint, all hours", "footprint.plot.map()"),
    (
        "shares",
        "The areas that hold 50 % and 90 % of it, and another colour map",
        'footprint.plot.map(shares=(0.5, 0.9), cmap="YlGnBu")',
    ),
    (
        "paper",
        "For a paper: no title, larger letters, a chosen part of the map",
        "footprint.plot.map(\n"
        '    title="", note="", letters=11, figsize=(6, 4.2), extent=(-114.5, -111, 39.8, 41.8),\n'
        '    graticule=False, label="foot, ppm per (µmol m$^{-2}$ s$^{-1}$)",\n'
        ")",
    ),
    ("facet", "Three hours in each panel", "footprint.plot.facet(hours=3)"),
    ("mean", "The mean of many", "footprints.plot.mean()"),
    ("series", "The sum of each over time", "footprints.plot.series()"),
    ("age", "Particles by age", "trajectories.plot.map()"),
    (
        "height",
        "Particles by height, and a profile, on one figure",
        "import matplotlib.pyplot as plt\n\n"
        'figure, (upper, lower) = plt.subplots(2, 1, figsize=(7.2, 7.5), layout="constrained")\n'
        'trajectories.plot.map("height", ax=upper, title="")\n'
        'trajectories.plot.profile(ax=lower, title="")',
    ),
    ("space", "Particles in three dimensions", "trajectories.plot.space()"),
)
NOTES = {
    "height": "In colour are the steps at which a particle gains influence: those in the lower "
    "half of the mixed layer (`veght: 0.5`). The others are grey.",
}
FILM = (
    "film",
    "An animation of particles and their footprint",
    "film = trajectories.plot.animate(footprint, frames=48, fps=10)\n"
    'stilt.plotting.save_animation(film, "film.gif", dpi=100)',
)
STEPPED = (
    "interactive",
    "An interactive map, by receptor and hour",
    "footprints.plot.interactive()",
)


def draw(model: stilt.Model, sim_id: str, folder: Path) -> list[Path]:
    """Draw all pictures that need no browser into a folder.

    Args:
        model: a project with footprints ``default`` and particles.
        sim_id: the simulation to draw.
        folder: where the pictures go.
    """
    matplotlib.use("agg")
    from matplotlib import pyplot

    import stilt

    footprints = model.footprints["default"]
    names: dict[str, Any] = {
        "stilt": stilt, "model": model, "footprints": footprints,
        "footprint": footprints[sim_id], "trajectories": model.trajectories[sim_id],
    }  # fmt: skip
    written = []
    for name, _, code in SHOWN:
        exec(code, names)
        written.append(folder / f"gallery-{name}.png")
        pyplot.gcf().savefig(written[-1], dpi=DPI)
        pyplot.close("all")
    name, _, code = FILM
    written.append(folder / f"gallery-{name}.gif")
    exec(code.replace('"film.gif"', repr(str(written[-1]))), names)
    pyplot.close("all")
    return written


def page() -> str:
    """Return the page as Markdown."""
    parts = [NOTE, INTRODUCTION, PREFACE]
    for name, caption, code in (*SHOWN, FILM, STEPPED):
        ending = "gif" if name == FILM[0] else "png"
        picture = f"![{caption}](pictures/gallery-{name}.{ending})"
        parts += [f"## {caption}", f"```python\n{code}\n```", picture]
        parts += [NOTES[name]] if name in NOTES else []
    return "\n\n".join(parts) + "\n"


def picture_pages(model: stilt.Model, folder: Path) -> list[Path]:
    """Take pictures of the report and of the map to step through, where there is a browser."""
    from browser import Browser, browser

    from stilt.report import write_report

    program = browser()
    if program is None:
        print("No Chromium here: the pictures of the report and of the map stay as they are.")
        return []
    written = []
    with tempfile.TemporaryDirectory() as scratch:
        report = write_report(model, Path(scratch) / "report.html")
        # Where it was made is nothing for the page.
        report.write_text(report.read_text().replace(str(model.project), "./demo"))
        stepped = model.footprints["default"].plot.interactive(title=model.name)
        shown = stepped.save(Path(scratch) / "map.html")
        for name, file, size, dark in (
            ("report", report, (1120, 1420), False),
            ("report-dark", report, (1120, 1420), True),
            ("gallery-interactive", shown, (1000, 690), False),
        ):
            with Browser(program, size=size, dark=dark) as window:
                window.open(file.as_uri(), "all hours")
                for _ in range(3):
                    window.ask("document.querySelector('button[title=\"next receptor\"]').click()")
                written.append(folder / f"{name}.png")
                window.picture(written[-1])
    return written


def main() -> int:
    """Draw all, and write the page."""
    import stilt
    from stilt.demo import run_demo

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="a demo that has run; made when left out")
    project = parser.parse_args().project
    with tempfile.TemporaryDirectory() as scratch:
        root = project or run_demo(Path(scratch) / "demo").directory
        model = stilt.Model(project=root)
        for path in [*draw(model, SIM_ID, PICTURES), *picture_pages(model, PICTURES)]:
            print(f"wrote {path}")
    (PAGES / "gallery.md").write_text(page(), encoding="utf-8")
    print(f"wrote {PAGES / 'gallery.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
