"""What is said of errors that are no fault of the project."""

import errno
import os

import pytest

from stilt.errors import Reason
from stilt.execution.failures import Failure, disk_sentence


@pytest.mark.parametrize(
    "error",
    [
        OSError("1451520 requested and 123872 written"),
        RuntimeError("NetCDF: HDF error: '/case/foot.nc'"),
    ],
    ids=["numpy", "netCDF4"],
)
def test_a_full_disk_is_said_whatever_a_library_calls_it(error):
    said = (
        "A file could not be written whole; make room on the disk of the project, or where its "
        "results or caches are, or check it."
    )
    assert disk_sentence(error) == said
    failure = Failure.of(error, "writing")
    assert (failure.reason, failure.detail) == (Reason.DISK, said)


def test_the_systems_own_errors_keep_their_words():
    full = OSError(errno.ENOSPC, "No space left on device", "/case/x")
    assert disk_sentence(full).startswith(
        "[Errno 28] No space left on device: '/case/x'; make room"
    )
    for number, remedy in (
        (errno.EFBIG, "raise the limit on the size of a file (ulimit -f)."),
        (errno.EMFILE, "raise the limit on open files (ulimit -n)."),
        (errno.ESTALE, "mount the network disk again, and run again."),
    ):
        assert str(disk_sentence(OSError(number, os.strerror(number), "/x"))).endswith(remedy)
    assert disk_sentence(OSError("something else")) is None
    assert disk_sentence(ValueError("1 requested and 0 written")) is None
