"""An archive is asked only when it is configured and something is missing."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from stilt.config import MetConfig
from stilt.errors import MeteorologyError, Reason, UsageError
from stilt.meteorology.catalogue import MetCatalogue
from stilt.meteorology.fetching import fetch_weather


class FakeArchive:
    """Stands in for arlmet's archives, which need the network."""

    def __init__(self, source):
        self.source = source
        self.calls = []

    def fetch(self, start, end, *, dest_dir, mirror):
        self.calls.append((start, end, mirror))
        if not self.source.exists():
            raise ConnectionError("no route to host")
        shutil.copytree(self.source, dest_dir, dirs_exist_ok=True)


@pytest.fixture
def remote(archive, tmp_path, monkeypatch):
    fake = FakeArchive(archive(folder="remote").directory)
    monkeypatch.setattr("arlmet.archives.get_archive", lambda name, **options: fake)
    return fake, MetConfig(directory=tmp_path / "local", source="hrrr", backend="http")


def test_missing_files_are_fetched_once(remote):
    fake, config = remote
    catalogue = MetCatalogue(config)
    for _ in range(2):
        assert len(catalogue.select("2023-07-14 04:00", "2023-07-14 07:00")) == 4
    assert len(fake.calls) == 1
    assert fake.calls[0][2] == "http"


def test_an_unreachable_archive_is_one_sentence(remote):
    fake, config = remote
    shutil.rmtree(fake.source)
    with pytest.raises(MeteorologyError, match="no route to host") as raised:
        MetCatalogue(config).select("2023-07-14 04:00", "2023-07-14 07:00")
    assert raised.value.reason is Reason.MISSING_MET_FILES
    assert str(config.directory) in raised.value.detail


def test_checking_never_downloads(remote):
    fake, config = remote
    assert MetCatalogue(config).assess("2023-07-14 04:00", "2023-07-14 07:00").error
    assert fake.calls == []


def test_windows_of_receptors_are_fetched_together_and_once(remote):
    fake, config = remote
    hours = [pd.Timestamp(f"2023-07-14 {hour:02d}:00") for hour in range(2, 8)]
    windows = [(hours[2], hours[3]), (hours[4], hours[3])]
    first = fetch_weather(config, windows, "hrrr")
    assert [call[:2] for call in fake.calls] == [(hours[2], hours[4])]
    assert first.files
    assert first.missing == ()
    again = fetch_weather(config, windows, "hrrr")
    assert again.files == again.windows == ()
    assert len(fake.calls) == 1


def test_what_the_archive_does_not_have_is_said(remote):
    _, config = remote
    late = pd.Timestamp("2023-08-14 04:00")
    fetched = fetch_weather(config, [(late, late + pd.Timedelta("2h"))], "hrrr")
    assert len(fetched.missing) == 1


def test_without_a_source_nothing_is_fetched(tmp_path):
    config = MetConfig(directory=tmp_path, file_format="%Y", file_tres="1h")
    with pytest.raises(UsageError, match="no source"):
        fetch_weather(config, [], "hrrr")
