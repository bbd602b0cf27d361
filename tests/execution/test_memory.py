"""Workers keep the memory they free; a coordinator of many simulations has one heap."""

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


_WHERE = """
import ctypes, sys, threading
from stilt.execution.memory import share_one_heap

told = share_one_heap() if sys.argv[1] == "one" else True
malloc = ctypes.CDLL(None).malloc
malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
together, found = threading.Barrier(4), []

def allocate():
    together.wait()
    found.append(malloc(1000))
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
(heap,) = [line.split()[0] for line in open("/proc/self/maps") if line.endswith("[heap]\\n")]
begin, end = (int(edge, 16) for edge in heap.split("-"))
print(told, sum(begin <= place < end for place in found))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_threads_share_one_heap():
    def in_heap(mode: str) -> tuple[str, int]:
        command = [sys.executable, "-c", _WHERE, mode]
        made = subprocess.run(command, capture_output=True, text=True, check=True)
        told, count = made.stdout.split()
        return told, int(count)

    told, together = in_heap("one")
    if told != "True":
        pytest.skip("This system's allocator takes no such wish.")
    assert together == 4
    assert in_heap("many")[1] < 4
