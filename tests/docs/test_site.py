"""The site builds with warnings as errors, without a network, and its links lead somewhere."""

import os
import re
import subprocess
import sys
import threading
import time
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import browser
import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the theme links to by itself; it is not asked for.
ELSEWHERE = ("http://", "https://", "mailto:")


class Page(HTMLParser):
    """Anchors, links and loaded files of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("img", "script") and "src" in found:
            self.loaded.append(found["src"])
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    target = tmp_path_factory.mktemp("site")
    # An address that nobody answers at, for whatever would ask for something.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    command = ["build", "--strict", "--quiet", "--config-file", "docs/mkdocs.yml"]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", *command, "--site-dir", str(target)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in target.rglob("*.html")}


def test_links_and_anchors_hold(site) -> None:
    broken = []
    for path, page in site.items():
        for link in [*page.links, *page.loaded]:
            address, anchor = urldefrag(unquote(link))
            if address.startswith(ELSEWHERE) or address.startswith("data:"):
                continue
            target = (path.parent / address).resolve() if address else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (
                anchor and target in site and anchor not in site[target].anchors
            ):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_errors_names_and_pictures_lead_somewhere(site) -> None:
    links = {path.name: page.links for path, page in site.items()}
    assert "errors.html#stilt.errors.ConfigValidationError" in links["model.html"]
    assert any(link.endswith("exceptions.html#FileNotFoundError") for link in links["model.html"])
    assert "#stilt.plotting.map_keywords.MapKeywords" in links["plotting.html"]
    assert "pictures/prefect-flow-run.png" in links["clusters.html"]


class Below(SimpleHTTPRequestHandler):
    """Serves a site below /stilt/, with its page for addresses that are not there."""

    def translate_path(self, path: str) -> str:
        inside = path.startswith("/stilt/")
        return super().translate_path(path.removeprefix("/stilt") if inside else "/nothing")

    def send_error(self, code: int, *_: object) -> None:
        self.send_response(code)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write((Path(self.directory) / "404.html").read_bytes())

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(browser.browser() is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize(
    "missing", ["no.html", "tutorials/no.html", "reference/api/no.html", "some/where/else/"]
)
def test_the_page_for_missing_pages_works_below_a_path(site, missing: str) -> None:
    root = next(path.parent for path in site if path.name == "404.html")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Below, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        above = f"http://127.0.0.1:{server.server_port}/stilt/"
        with browser.Browser(browser.browser()) as tab:
            tab.open(f"{above}{missing}", "There is no such page")
            link = tab.ask("[...document.links].find(a => a.text == 'first page').href")
            styled = tab.ask("[...document.styleSheets].every(sheet => sheet.cssRules.length)")
            base = tab.ask("JSON.parse(document.getElementById('__config').textContent).base")
        server.shutdown()
    assert link == above
    assert styled
    assert base == above


@pytest.mark.skipif(browser.browser() is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("served", [True, False])
def test_the_search_finds_a_page(site, served: bool) -> None:
    root = next(path.parent for path in site if path.name == "404.html")
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Below, directory=str(root))) as server,
        browser.Browser(browser.browser()) as tab,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        above = f"http://127.0.0.1:{server.server_port}/stilt" if served else root.as_uri()
        tab.open(f"{above}/tutorials/first-footprint.html", "A first footprint")
        tab.ask("document.getElementById('__search').click()")
        tab.ask(
            "{ const field = document.querySelector('.md-search__input');"
            "field.value = 'moved_from'; field.dispatchEvent(new Event('keyup')) }"
        )
        deadline = time.monotonic() + 30
        links: list[str] = []
        while not links and time.monotonic() < deadline:
            time.sleep(0.2)
            links = tab.ask(
                "[...document.querySelectorAll('.md-search-result__link')].map(a => a.href)"
            )
        server.shutdown()
    assert any(link.startswith(f"{above}/meteorology.html") for link in links), links


@pytest.mark.skipif(browser.browser() is None, reason="no Chromium here: apt-get install chromium")
def test_tables_fit_a_phone_and_a_tap_enlarges_a_picture(site) -> None:
    root = next(path.parent for path in site if path.name == "404.html")
    wide = (
        "[...document.querySelectorAll('.md-typeset__scrollwrap')]"
        ".filter(each => each.scrollWidth > each.clientWidth + 1).length"
    )
    with browser.Browser(browser.browser(), size=(390, 844)) as tab:
        for name in ("errors.html", "parity-notebook.html", "reference/config.html"):
            tab.open((root / name).as_uri())
            assert tab.ask("document.querySelectorAll('.md-typeset__scrollwrap').length") > 0
            assert tab.ask(wide) == 0, name
            assert tab.ask("document.documentElement.scrollWidth") == 390
        labels = tab.ask("[...document.querySelectorAll('tr')[1].cells].map(e => e.dataset.label)")
        assert labels == ["key", "meaning", "type", "default"]
        tab.open((root / "gallery.html").as_uri())
        assert tab.ask("document.querySelector('a.picture img').clientWidth") < 390
        tab.ask("document.querySelector('a.picture img').click()")
        assert tab.ask("document.querySelector('dialog.enlarged img').clientWidth") >= 780
        tab.ask("document.querySelector('dialog.enlarged button').click()")
        deadline = time.monotonic() + 30
        while tab.ask("document.querySelectorAll('dialog').length") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert tab.ask("document.querySelectorAll('dialog').length") == 0
        assert tab.ask("location.pathname").endswith("gallery.html")


def test_pages_load_nothing_from_elsewhere(site) -> None:
    foreign = [
        f"{path.name}: {link}"
        for path, page in site.items()
        for link in page.loaded
        if link.startswith(ELSEWHERE)
    ]
    assert foreign == []


def test_the_reference_shows_names_with_their_descriptions(site) -> None:
    (model,) = (path for path in site if path.name == "model.html")
    text = re.sub(r"<[^>]+>", "", model.read_text(encoding="utf-8"))
    assert "stilt.Model" in text
    assert "A project: what is simulated, and its results." in text
    assert ":class:" not in text
    assert "stilt.model.Model.run" in site[model].anchors


def test_defaults_are_values_rather_than_names_of_constants(site) -> None:
    for path in site:
        if path.parent.name == "api":
            text = re.sub(r"<[^>]+>|\s+", "", path.read_text(encoding="utf-8"))
            assert re.findall(r"default:[\w.(]*[A-Z][A-Z_]{2,}\)", text) == [], path
    (plotting,) = (path for path in site if path.name == "plotting.html")
    text = re.sub(r"<[^>]+>|\s+", "", plotting.read_text(encoding="utf-8"))
    assert "letters(float,default:8.5)" in text


def test_every_picture_says_what_it_shows(site) -> None:
    pages = ROOT / "docs" / "pages"
    silent = [
        f"{path.name}: {picture}"
        for path in pages.rglob("*.md")
        for text, picture in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", path.read_text("utf-8"))
        if not text.strip()
    ]
    assert silent == []


def test_the_page_on_citing_has_the_papers_of_the_citation_file() -> None:
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "pages" / "citing.md").read_text(encoding="utf-8")
    assert citation["title"] in page
    for paper in citation["references"]:
        assert f"https://doi.org/{paper['doi']}" in page
        assert f"({paper['year']})" in page
        for author in paper["authors"]:
            assert author["family-names"] in page


@pytest.mark.parametrize("page", ["parity", "performance", "operations"])
def test_pages_for_one_screen_stay_short(page: str) -> None:
    text = (ROOT / "docs" / "pages" / f"{page}.md").read_text(encoding="utf-8")
    first = text.split("\n## ")[0]
    assert len(first.split()) < 520
    assert len(first.splitlines()) < 45


def test_marks_of_text_are_whole(site) -> None:
    """Code is not cut from its words, and an asterisk of a formula is not taken for emphasis."""
    for path in site:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<code class=\"whole\"></code>", text), path
        assert not re.search(r"[a-zθ\d]<em>[^<]*</em>|<em>[^<]*</em>[a-zθ\d]", text), path


def test_a_reader_chooses_light_or_dark(site) -> None:
    for path in site:
        schemes = path.read_text(encoding="utf-8").count('data-md-color-media="')
        assert schemes == 3, path
