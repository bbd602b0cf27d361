"""A run in a process that may not start others, as a scheduler's worker often is."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import stilt


def test_a_daemonic_process_computes_what_it_was_asked_for(
    api: str, new_project: Callable[..., Path], tmp_path: Path
) -> None:
    root = new_project("daemonic")
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import multiprocessing, stilt
            from stilt.execution.backend import get_executor

            def run():
                model = stilt.Model({str(root)!r})
                model.run(executor=get_executor({{"backend": "local", "n_workers": 2}}))
                print(model.status()["completed"], flush=True)

            if __name__ == "__main__":
                process = multiprocessing.Process(target=run, daemon=True)
                process.start()
                process.join()
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout == "3\n", done.stderr
    assert "This process is daemonic" in done.stderr
    assert stilt.Model(root).status()["completed"] == 3
