"""The module that runs the notebooks of the documentation."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).resolve().parents[2] / "docs"


@cache
def docs_notebook() -> ModuleType:
    """Return docs/notebook.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_notebook", DOCS / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
