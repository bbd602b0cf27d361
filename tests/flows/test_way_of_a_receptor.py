"""docs/pages/architecture.md lists the functions on the way of one receptor: this runs one."""

import re
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import CodeType

from stilt.model import Model

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "architecture.md"
RECEPTOR = "time,longitude,latitude,altitude\n2023-07-15 18:00,-111.85,40.77,30\n"


def listed() -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    part = text.partition("<!-- the way of one receptor -->")[2].partition("<!-- end -->")[0]
    return re.findall(r"^\d+\. `([\w.]+)`", part, re.M)


def code_of(name: str) -> CodeType:
    """The code of a function or method; a generator's runs when its first item is asked for."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found = sys.modules.get(".".join(parts[:end])) or import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return getattr(found, "__func__", found).__code__
    raise AssertionError(f"{name} does not exist")


def test_the_listed_functions_are_called_in_this_order(api: str, new_project) -> None:
    import_module("flows.definitions")
    names = listed()
    assert len(names) > 15
    codes = {code_of(name): name for name in names}
    called: list[str] = []

    def note(frame, event, argument) -> None:
        if event == "call" and (name := codes.get(frame.f_code)) and name not in called:
            called.append(name)

    model = Model(project=new_project("way", RECEPTOR))
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        model.run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert model.status()["completed"] == 1
    assert called == names
