"""The process that has a device follows particles while helpers make files: it does not wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest
from devices import computing_as

import stilt
from stilt.execution import helpers as module
from stilt.execution.batch import compute_batch
from stilt.execution.row_memory import POSSIBLE
from stilt.project.inputs import Project
from stilt.transport.device import GPU
from stilt.transport.particles import Particles
from stilt.transport.program import JUST_IN_TIME, ChunkRows, Static

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="memory cannot be shared on this system")

NUMBER, TOGETHER = 8, 2
# Cut as for a GPU that holds the particles of two receptors at a time.
SMALL = GPU._replace(block=64, most_blocks=TOGETHER)
FOOTPRINTS = """\
numpar: 64
trajectories: false
grids:
  fine: {xmin: -113, xmax: -111, ymin: 40, ymax: 41.5, xres: 0.02, yres: 0.02}
"""


class SlowDevice:
    """Computes what programs are asked for, and stays busy for a while longer each time.

    Attributes:
        busy: begin and end of each call, seconds.
    """

    def __init__(self, call_s: float) -> None:
        self.call_s = call_s
        self.busy: list[tuple[float, float]] = []

    def run(self, static: Static, arguments: tuple[Any, ...]) -> tuple[Particles, ChunkRows]:
        begin = time.perf_counter()
        done = jax.block_until_ready(JUST_IN_TIME.run(static, arguments))
        time.sleep(self.call_s)
        self.busy.append((begin, time.perf_counter()))
        return done

    def idle_share(self) -> float:
        """Return the share of the time between its first call and its last in which it idles."""
        whole = self.busy[-1][1] - self.busy[0][0]
        return 1.0 - sum(end - begin for begin, end in self.busy) / whole


@pytest.fixture(scope="module", autouse=True)
def no_helpers_left():
    """End the helpers of this process after these tests."""
    yield
    if module._present is not None:
        module._present.close()
        module._present = None


@pytest.mark.parametrize("layout", ["files", "store"])
def test_a_device_does_not_wait_for_files(new_project: Callable[..., Path], layout: str) -> None:
    receptors = "time,longitude,latitude,altitude\n" + "".join(
        f"2023-07-15 18:00,{-112.4 + 0.05 * n:.2f},40.77,30\n" for n in range(NUMBER)
    )

    def run(name: str, device: SlowDevice, n_helpers: int) -> dict[str, float]:
        root = new_project(name, receptors)
        text = (root / "config.yaml").read_text().replace("numpar: 20\n", FOOTPRINTS)
        grid = "    grid: {xmin: -113, xmax: -111, ymin: 40, ymax: 41.5, xres: 0.1, yres: 0.1}\n"
        assert grid in text
        text = text.replace(grid, "    grid: fine\n") + f"output: {{layout: {layout}}}\n"
        (root / "config.yaml").write_text(text)
        model = stilt.Model(project=str(root))
        model.store_inputs()
        with computing_as(SMALL):
            summary = compute_batch(
                lambda: Project(str(root)), model.register_pending(), n_helpers=n_helpers,
                programs=device,
            )  # fmt: skip
        assert summary.n_complete == NUMBER
        model.index.fold()
        footprints = model.footprints["default"]
        return {i: footprints[i].total for i in model.simulations.ids()}

    run(f"compiled-{layout}", SlowDevice(0.0), 2)
    fast = SlowDevice(0.0)
    began = time.perf_counter()
    expected = run(f"alone-{layout}", fast, 0)
    # The device is busy as long as one process takes for all of it: helpers need not hurry.
    busy = SlowDevice((time.perf_counter() - began) / len(fast.busy))
    assert run(f"helped-{layout}", busy, 2) == expected
    # An hour takes two calls for each group.
    assert len(busy.busy) == len(fast.busy) == 2 * NUMBER // TOGETHER
    print(f"The device was idle for {busy.idle_share():.1%} of the time.")
    assert busy.idle_share() < 0.15
