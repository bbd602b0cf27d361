"""Which public names are described on which page of the API reference.

Public are the names that ``stilt`` and the modules in :data:`MODULES` list in ``__all__``, and what
they return, listed in :data:`RETURNED`. A name that several modules list is described once.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

NOTE = "<!-- Written by docs/generate.py from the code: change the code, then run `make docs`. -->"


@dataclass(frozen=True)
class ApiPage:
    """One page of the reference.

    Attributes:
        name: of its file.
        title: its heading.
        about: a sentence or two below it.
        first: names to begin with, in this order.
        modules: whose remaining public names follow.
    """

    name: str
    title: str
    about: str
    first: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


PAGES = (
    ApiPage(
        "model",
        "Model, simulations, results",
        "A [`Model`][stilt.model.Model] is a project: receptors, configuration, and collections of "
        "what was computed. Collections are lazy and take the same selection.",
        (
            "stilt.Model", "stilt.execution.runs.Run", "stilt.Simulation", "stilt.Trajectories",
            "stilt.Footprint", "stilt.collections.SimulationCollection",
            "stilt.outputs.TrajectoryCollection", "stilt.outputs.FootprintCollection",
            "stilt.outputs.FootprintCollections", "stilt.collections.ReceptorList",
            "stilt.selection.Selection", "stilt.project.index.Index",
        ),
        ("stilt", "stilt.footprint"),
    ),
    ApiPage(
        "receptors",
        "Receptors",
        "Times and places where air was measured; [the guide](../../receptors.md) explains them.",
        ("stilt.PointReceptor", "stilt.ColumnReceptor", "stilt.MultiPointReceptor",
         "stilt.Receptor", "stilt.read_receptors", "stilt.ReceptorID", "stilt.LocationID",
         "stilt.SimID"),
        ("stilt.receptors",),
    ),
    ApiPage(
        "configuration",
        "Configuration",
        "The classes behind config.yaml. Their fields, with types, defaults and units, are on the "
        "page [config.yaml](../config.md).",
        ("stilt.ModelConfig", "stilt.MetConfig", "stilt.FootprintConfig", "stilt.Grid",
         "stilt.Bounds", "stilt.ExecutionConfig"),
        ("stilt.config",),
    ),
    ApiPage(
        "running",
        "Running",
        "Workers without Prefect, observers of the progress of a run, backends, and the flows.",
        ("stilt.push_simulations", "stilt.pull_simulations", "stilt.execution.runs.Outcome",
         "stilt.execution.runs.JobHandle", "stilt.execution.observing.Observer",
         "stilt.execution.observing.Silent", "stilt.execution.observing.Tally",
         "stilt.execution.observing.Ended", "stilt.execution.backend.Backend",
         "stilt.execution.backend.get_executor", "flows.simulate",
         "flows.footprints", "flows.prepare_meteorology",
         "flows.maintain"),
        ("stilt.execution", "flows"),
    ),
    ApiPage(
        "weather",
        "Weather",
        "Weather at a place as the transport uses it, contents of an archive, other formats.",
        ("stilt.sample_meteorology",),
        ("stilt.meteorology",),
    ),
    ApiPage(
        "observations",
        "Observations",
        "Instruments, soundings, geometry and uncertainty; [the guide](../../observations.md) "
        "shows how they are used.",
        modules=("stilt.observations",),
    ),
    ApiPage(
        "answers",
        "From footprints to measurements",
        "Weights of particles, the background of a measurement, uncertainties and inversions.",
        ("stilt.answers.uncertainty.error_covariance",),
        ("stilt.transforms", "stilt.background", "stilt.inversion"),
    ),
    ApiPage(
        "plotting",
        "Plotting",
        "Pictures; `.plot` of footprints, trajectories and collections leads here.",
        modules=("stilt.plotting", "stilt.report"),
    ),
    ApiPage(
        "errors",
        "Errors",
        "Every error that is raised on purpose; [reasons of failures](../../errors.md) are stored "
        "with the simulation.",
        modules=("stilt.errors",),
    ),
    ApiPage(
        "tools",
        "Demo and doctor",
        "Synthetic weather to try things with, and a look at an installation.",
        modules=("stilt.demo", "stilt.doctor"),
    ),
)  # fmt: skip

# What a reader needs of classes with much that only the package itself calls, or inherits.
OPTIONS = {
    "stilt.project.index.Index": "members: [sql, times, ids, frame, counts, scene_counts, labels]",
    **dict.fromkeys(
        (
            "stilt.receptors.kinds.PointReceptor",
            "stilt.receptors.kinds.ColumnReceptor",
            "stilt.receptors.kinds.MultiPointReceptor",
        ),
        "inherited_members: false",
    ),
}

MODULES = tuple(module for page in PAGES for module in page.modules)


def public_names(module: str) -> list[str]:
    """Return the full public names of a module: those of ``__all__``, else what it defines."""
    loaded = import_module(module)
    listed = getattr(loaded, "__all__", None)
    if listed is None:
        listed = [
            name
            for name, value in vars(loaded).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module
        ]
    return [f"{module}.{name}" for name in listed if name != "__version__"]


def found(path: str) -> Any:
    """Return the object of a full name."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def home(path: str) -> str:
    """Return the full name by which an object is defined, which tells aliases apart."""
    value = found(path)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None)
    if path.startswith("flows."):
        return f"flows.definitions.{path.rpartition('.')[2]}"
    return f"{module}.{name}" if isinstance(name, str) and isinstance(module, str) else path


def names_of_pages() -> dict[str, list[str]]:
    """Return the full names that each page describes, each name once."""
    placed: dict[str, str] = {}
    for page in PAGES:
        for path in page.first:
            placed.setdefault(home(path), page.name)
    pages: dict[str, list[str]] = {}
    seen: set[str] = set()
    for page in PAGES:
        rest = [path for module in page.modules for path in public_names(module)]
        names = []
        for path in [*page.first, *rest]:
            key = home(path)
            if key not in seen and placed.get(key, page.name) == page.name:
                seen.add(key)
                names.append(path)
        pages[page.name] = names
    return pages


def page_text(page: ApiPage, names: list[str]) -> str:
    """Return a page that has mkdocstrings describe these names."""
    parts = [NOTE, f"# {page.title}", page.about]
    for path in names:
        parts.append(
            f"::: {home(path)}\n    options:\n      heading: {path}\n"
            f"      toc_label: {path.rpartition('.')[2]}"
            + (f"\n      {OPTIONS[home(path)]}" if home(path) in OPTIONS else "")
        )
    return "\n\n".join(parts) + "\n"


def api_pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    names = names_of_pages()
    return {f"{page.name}.md": page_text(page, names[page.name]) for page in PAGES}
