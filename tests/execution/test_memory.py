"""Workers keep the memory they free."""

import subprocess
import sys

import pytest

_SCRIPT = """
import resource, sys
import numpy as np
from stilt.execution.memory import keep_freed_memory

told = keep_freed_memory() if sys.argv[1] == "kept" else True
size = 64_000_000
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.full(size // 8, 1.0)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(told, faults)
"""


def _second_allocation(mode: str) -> tuple[bool, int]:
    made = subprocess.run(
        [sys.executable, "-c", _SCRIPT, mode], capture_output=True, text=True, check=True
    )
    told, faults = made.stdout.split()
    return told == "True", int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_memory_used_a_second_time_is_not_asked_from_the_system_again():
    told, kept = _second_allocation("kept")
    if not told:
        pytest.skip("This system's allocator takes no such wish.")
    _, given_back = _second_allocation("given back")
    assert given_back > 10
    assert kept <= 2
