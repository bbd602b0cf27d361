"""Run the demo in short on a Prefect server with its interface, and picture its flow run.

``make ui-picture`` writes the picture of the page "Running"; it needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURE = Path(__file__).parent / "pages" / "pictures" / "prefect-flow-run.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WINDOW = "1280,800"
LOADING_MS = 30_000


def browser() -> str | None:
    """The path of a headless browser, None when there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def visit(program: str, url: str, profile: Path, *arguments: str) -> str:
    """Open a page and return what the browser prints."""
    command = [
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}",
        f"--window-size={WINDOW}", f"--timeout={LOADING_MS}",
        f"--virtual-time-budget={LOADING_MS}", *arguments, url,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def main() -> int:
    """Take the picture; ``--text FOLDER`` keeps two pages as HTML and PNG as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURE)
    parser.add_argument("--text", type=Path, help="folder for two pages as HTML and PNG")
    options = parser.parse_args()
    program = browser()
    if program is None:
        print("No Chromium was found: install Debian's package chromium.", file=sys.stderr)
        return 2

    from flows.environment import environment
    from flows.server import PrivateServer

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        server = PrivateServer(folder / "server", ui=True)
        try:
            server.wait()
            with environment({"PREFECT_API_URL": server.url}):
                _run(folder / "valley")
                run, artifact = _latest()
            site = server.url.removesuffix("/api")
            page = f"{site}/runs/flow-run/{run}"
            options.output.parent.mkdir(parents=True, exist_ok=True)
            visit(program, page, folder / "profile", f"--screenshot={options.output.resolve()}")
            if options.text:
                options.text.mkdir(parents=True, exist_ok=True)
                pages = {"flow-run": page, "summary": f"{site}/artifacts/artifact/{artifact}"}
                for name, address in pages.items():
                    html = visit(program, address, folder / "profile", "--dump-dom")
                    (options.text / f"{name}.html").write_text(html)
                    picture = f"--screenshot={options.text.resolve() / name}.png"
                    visit(program, address, folder / "profile", picture)
        finally:
            server.stop()
    print(f"{os.path.relpath(options.output)}: {options.output.stat().st_size // 1024} kB")
    return 0


def _run(root: Path) -> None:
    """Run the demo's receptors with few particles for few hours."""
    from stilt.config import ModelConfig
    from stilt.demo import write_demo

    write_demo(root)
    config = ModelConfig.from_yaml(root / "config.yaml")
    config.model_copy(update={"numpar": 100, "n_hours": -4}).to_yaml(root / "config.yaml")
    command = [sys.executable, "-m", "stilt", "run", root, "--n-workers", "2"]
    subprocess.run(command, check=True)


def _latest() -> tuple[str, str]:
    """Ids of the latest flow run and of its summary."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        run = max(client.read_flow_runs(), key=lambda run: run.created)
        summaries = [
            artifact
            for artifact in client.read_artifacts()
            if artifact.flow_run_id == run.id and (artifact.key or "").endswith("-summary")
        ]
        return str(run.id), str(summaries[0].id)


if __name__ == "__main__":
    sys.exit(main())
