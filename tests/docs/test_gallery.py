"""The gallery is drawn by its code, and its page is as the code writes it."""

import sys
from pathlib import Path

import matplotlib.image
import pytest

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT / "docs", ROOT / "tests" / "support"):
    sys.path.insert(0, str(folder))

import gallery  # noqa: E402
from fake_fixtures import faked, make_model, steer  # noqa: E402, F401

import stilt  # noqa: E402


def test_the_page_is_up_to_date_and_has_its_pictures() -> None:
    text = gallery.page()
    assert (gallery.PAGES / "gallery.md").read_text(encoding="utf-8") == text
    for name, *_ in (*gallery.SHOWN, gallery.STEPPED):
        assert (gallery.PICTURES / f"gallery-{name}.png").stat().st_size > 10_000
    for name in ("report", "report-dark"):
        assert (gallery.PICTURES / f"{name}.png").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
def test_every_picture_is_drawn_by_its_code(make_model, tmp_path, monkeypatch) -> None:  # noqa: F811
    name, caption, code = gallery.FILM
    assert "frames=48" in code
    monkeypatch.setattr(gallery, "FILM", (name, caption, code.replace("frames=48", "frames=3")))
    model = make_model(2)
    ids = model.register_pending()
    stilt.push_simulations(model, ids)
    written = gallery.draw(model, ids[1], tmp_path)
    assert len(written) == len(gallery.SHOWN) + 1
    for path in written:
        picture = matplotlib.image.imread(path)
        assert min(picture.shape[:2]) > 150
        assert picture.std() > 0, f"{path.name} is empty"


def test_the_gallery_needs_no_browser(monkeypatch, tmp_path) -> None:
    import browser

    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    assert gallery.picture_pages(None, tmp_path) == []
