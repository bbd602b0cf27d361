"""A headless Chromium that opens pages, waits for what they show, and pictures them.

Driven over Chromium's own debugging protocol, so that a page is pictured when its text is there
and its animations have come to rest, in real time.
"""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1280, 800)
PATIENCE_S = 60.0
REST_S = 3.0


def browser() -> str | None:
    """The path of a browser, None when there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


class Browser:
    """One tab of a headless Chromium, closed at the end of a ``with`` block.

    Args:
        program: path of the browser.
        size: of the window, width and height in pixels.
        dark: prefer a page's dark colours.
    """

    def __init__(self, program: str, size: tuple[int, int] = SIZE, *, dark: bool = False) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
            "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
            f"--user-data-dir={self._profile.name}", f"--window-size={size[0]},{size[1]}",
            "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._numbers = itertools.count(1)
        try:
            self._socket = connect(self._tab(), max_size=None)
            screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
            self.call("Emulation.setDeviceMetricsOverride", **screen)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            self.call("Emulation.setEmulatedMedia", features=[scheme])
            self.call("Page.enable")
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._end()

    def _tab(self) -> str:
        """Address of the tab's debugging socket, when the browser is up."""
        found = Path(self._profile.name) / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(OSError, IndexError, ValueError):
                port = int(found.read_text().splitlines()[0])
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                    tabs = json.load(answer)
                return next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page")
            time.sleep(0.1)
        raise TimeoutError(f"The browser did not start within {PATIENCE_S:.0f} s.")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the debugging protocol; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return result["result"].get("value")

    def text(self) -> str:
        """What a reader sees of the page, as text."""
        return str(self.ask("document.body ? document.body.innerText : ''") or "")

    def html(self) -> str:
        """The page as it stands now, with what its scripts have made."""
        return str(self.ask("document.documentElement.outerHTML"))

    def elsewhere(self) -> list[str]:
        """Addresses of other hosts that the page has asked for anything."""
        script = (
            "performance.getEntriesByType('resource').map(entry => entry.name)"
            ".filter(name => /^(https?|wss?):/.test(name) && new URL(name).host != location.host)"
        )
        return list(self.ask(script))

    def open(self, url: str, *expected: str) -> str:
        """Open a page, wait until all `expected` texts are there; the page's text.

        Raises:
            TimeoutError: names the texts that did not appear.
        """
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            time.sleep(0.2)
            seen = self.text()
            missing = [text for text in expected if text not in seen]
            if not missing and self.ask("document.readyState") == "complete":
                return seen
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} does not show {missing}; it shows: {seen[:2000]}")

    def picture(self, path: Path, *, rest_s: float = REST_S) -> None:
        """Write what the window shows as PNG, when animations have had `rest_s` to end."""
        time.sleep(rest_s)
        shot = self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
