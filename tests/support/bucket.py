"""A stand-in for S3 on this machine."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
import pytest


@contextmanager
def empty_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an empty bucket to this process and those it starts; yields its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # moto keeps its buckets for as long as the process lives.
    name = uuid.uuid4().hex
    try:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
        yield f"s3://{name}"
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()
