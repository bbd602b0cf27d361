"""Storage that is not there, lets nobody in, or fails in the middle: one sentence each."""

import re

import fsspec
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from inline_backend import Inline

import stilt
from stilt.cli import cli
from stilt.errors import StiltError, UsageError
from stilt.execution.refusals import refusals
from stilt.project import home
from stilt.project.leases import FOLDER
from stilt.project.url_folder import StorageError, UrlFolder
from stilt.receptors import write_receptors

STORE = {"output": {"layout": "store"}}


class EndpointConnectionError(Exception):
    """As botocore raises it: no OSError."""


class Moody(MemoryFileSystem):
    """A store in memory that refuses as buckets do."""

    protocol = "moody"
    store: dict = {}  # noqa: RUF012 fsspec's own way
    pseudo_dirs = [""]  # noqa: RUF012
    writes_error: Exception | None = None
    error: Exception | None = None
    fails_after: int | None = None
    calls = 0

    def _asked(self):
        if self.error is not None:
            raise self.error

    def pipe_file(self, path, value, **kwargs):
        self._written()
        super().pipe_file(path, value, **kwargs)

    def put_file(self, lpath, rpath, **kwargs):
        self._written()
        super().put_file(lpath, rpath, **kwargs)

    def _written(self):
        self._asked()
        type(self).calls += 1
        if self.fails_after is not None and self.calls > self.fails_after:
            raise EndpointConnectionError('Could not connect to "http://s3.example/b/c?x=1"')
        if self.writes_error is not None:
            raise self.writes_error

    def find(self, path, *args, **kwargs):
        self._asked()
        return super().find(path, *args, **kwargs)

    def ls(self, path, *args, **kwargs):
        self._asked()
        return super().ls(path, *args, **kwargs)


fsspec.register_implementation("moody", Moody, clobber=True)


@pytest.fixture
def url(tmp_path, monkeypatch, faked):
    monkeypatch.setattr(home, "FRESH_S", 0.0)
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    for name, value in (
        ("writes_error", None), ("error", None), ("fails_after", None), ("calls", 0),
    ):  # fmt: skip
        monkeypatch.setattr(Moody, name, value)
    url = f"moody://{tmp_path.name}/case"
    fakes.config(**STORE).to_yaml(tmp_path / "config.yaml")
    write_receptors(tmp_path / "receptors.csv", fakes.receptors(3))
    for name in ("config.yaml", "receptors.csv"):
        UrlFolder(url).put(tmp_path / name, name)
    yield url
    Moody.store.clear()


def said(*arguments):
    """What a command says, which must be one line, and its exit code."""
    done = CliRunner().invoke(cli, list(arguments))
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.output
    return lines[0], done.exit_code


def test_a_bucket_that_may_only_be_read(url, monkeypatch):
    stilt.Model(url).run(executor=Inline())
    monkeypatch.setattr(Moody, "writes_error", PermissionError("Access Denied"))
    assert stilt.Model(url).status()["completed"] == 3, "looking needs no right to write"
    assert len(stilt.Model(url).footprints["default"].load()) == 3
    line, code = said("run", url)
    assert (
        line == f"Error: {url} cannot be written: these credentials lack the right (Access Denied)."
    )
    assert code == 2


def test_checking_says_what_may_only_be_read(url, monkeypatch):
    before = set(UrlFolder(url).listed())
    assert refusals(stilt.Model(url).files) == []
    assert set(UrlFolder(url).listed()) == before
    monkeypatch.setattr(Moody, "writes_error", PermissionError("Access Denied"))
    assert refusals(stilt.Model(url).files) == [
        f"{url} cannot be written: these credentials lack the right (Access Denied)."
    ]


def test_inputs_that_cannot_be_stored_are_not_believed_here(url, monkeypatch):
    stilt.Model(url).register_pending()
    monkeypatch.setattr(Moody, "writes_error", PermissionError("Access Denied"))
    changed = stilt.Model(url, fakes.receptors(5), fakes.config(numpar=6, **STORE))
    with pytest.raises(UsageError, match="these credentials lack the right"):
        changed.register_pending()
    again = stilt.Model(url)
    assert again.config.numpar == 5
    assert len(again.receptors) == 3


def test_no_credentials(url, monkeypatch):
    class NoCredentialsError(Exception):
        pass

    monkeypatch.setattr(Moody, "error", NoCredentialsError("Unable to locate credentials"))
    line, code = said("status", url)
    assert re.match(r"Error: moody://.* cannot be listed without credentials, and none", line)
    assert "AWS_ACCESS_KEY_ID" in line
    assert code == 2


def test_no_network(url, monkeypatch):
    monkeypatch.setattr(Moody, "error", EndpointConnectionError("Could not connect to x"))
    line, code = said("status", url)
    assert "cannot be listed (Could not connect to x): see that the network" in line
    assert code == 1


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_the_network_goes_in_the_middle_of_a_run(url, monkeypatch, after):
    monkeypatch.setattr(Moody, "fails_after", Moody.calls + after)
    model = stilt.Model(url)
    try:
        ran = model.run(executor=Inline())
        assert {row["reason"] for row in ran.failures} == {"DISK"}
        sentences = {row["detail"] for row in ran.failures}
    except StorageError as error:
        sentences = {str(error)}
    for sentence in sentences:
        assert sentence.startswith(f'{url} cannot be written (Could not connect to "http://s3.exam')
        assert "?x=1" not in sentence
        assert sentence.endswith("run again; what is finished is kept.")
    monkeypatch.setattr(Moody, "fails_after", None)
    for name in UrlFolder(url).listed(FOLDER):
        UrlFolder(url).remove(f"{FOLDER}/{name}")
    stilt.Model(url).run(executor=Inline())
    monkeypatch.setenv("STILT_CACHE_DIR", f"{model.layout.root}-elsewhere")
    assert stilt.Model(url).status()["completed"] == 3


def test_a_folder_that_is_no_project(url):
    line, code = said("status", f"{url}/nothing")
    assert line.startswith(f"Error: '{url}/nothing' does not look like a STILT project")
    assert code == 2


def test_a_kind_of_url_that_nobody_knows():
    line, code = said("status", "nowhere://bucket/case")
    assert line.startswith("Error: 'nowhere://bucket/case' cannot be used: Protocol not known")
    assert code == 2


def test_a_cache_that_cannot_be_written(url, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="STILT_CACHE_DIR"):
        stilt.Model(url).status()


def test_a_bucket_that_is_not_there(monkeypatch):
    place = UrlFolder("s3://nothing/case")

    class Empty:
        def invalidate_cache(self):
            pass

        def put_file(self, *args):
            raise FileNotFoundError("The specified bucket does not exist")

        pipe_file = put_file

        def ls(self, *args, **kwargs):
            raise FileNotFoundError("nothing")

    monkeypatch.setattr(UrlFolder, "_place", (Empty(), "nothing/case"))
    for ask in (place.require_bucket, lambda: place.write(b"", "config.yaml")):
        with pytest.raises(StiltError, match="There is no bucket 'nothing' for s3://nothing/case"):
            ask()
