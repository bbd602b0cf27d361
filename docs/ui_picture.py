"""Run the demo in short on a Prefect server with its interface, and picture what it shows.

``make ui-picture`` writes the pictures of the page "Prefect and clusters"; it needs Chromium.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser, browser

PICTURES = Path(__file__).parent / "pages" / "pictures"


def main() -> int:
    """Take the pictures; ``--html FOLDER`` keeps both pages as HTML as well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURES, help="folder for two pictures")
    parser.add_argument("--html", type=Path, help="folder for the two pages as HTML")
    options = parser.parse_args()
    program = browser()
    if program is None:
        print("No Chromium was found: install Debian's package chromium.", file=sys.stderr)
        return 2

    from flows.private_server import PrivateServer
    from stilt.execution.environment import environment

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        server = PrivateServer(folder / "server", ui=True)
        try:
            server.wait()
            with environment({"PREFECT_API_URL": server.url}):
                _run(folder / "valley")
                run, artifact = _latest()
            site = server.url.removesuffix("/api")
            shown, summary = f"{site}/runs/flow-run/{run}", f"{site}/artifacts/artifact/{artifact}"
            pages = {
                "prefect-flow-run": (shown, "6 Task runs", "Parameters"),
                "prefect-summary": (summary, "Mean of 6 footprints"),
            }
            options.output.mkdir(parents=True, exist_ok=True)
            # Narrow, so that its letters can be read where a page shows it smaller.
            with Browser(program, (1040, 900)) as window:
                for name, (address, *expected) in pages.items():
                    window.open(address, *expected)
                    if asked := window.elsewhere():
                        print(f"{name} asks for {asked}", file=sys.stderr)
                        return 1
                    # The picture is for everybody: no temporary folder of one machine in it.
                    window.ask(
                        "document.querySelectorAll('code:not(:has(*))').forEach("
                        "code => code.textContent = code.textContent"
                        f".replace('{folder.resolve()}', '/data'))"
                    )
                    picture = options.output / f"{name}.png"
                    window.picture(picture)
                    print(f"{picture.name}: {picture.stat().st_size // 1024} kB")
                    if options.html:
                        options.html.mkdir(parents=True, exist_ok=True)
                        (options.html / f"{name}.html").write_text(window.html())
        finally:
            server.stop()
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
