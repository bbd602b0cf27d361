"""Folders for caches and for computing that cannot be used: one sentence, before anything runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from stilt.cache import make_folder, require_folder, why_unusable
from stilt.config import RuntimeSettings
from stilt.errors import UsageError
from stilt.project.inputs import Project


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    return path


def test_a_folder_that_can_be_made_is_made_only_when_asked_for(tmp_path):
    folder = tmp_path / "a" / "b"
    assert why_unusable(folder) == ""
    assert not folder.exists()
    require_folder(folder, "STILT_CACHE_DIR")
    require_folder(folder, "STILT_CACHE_DIR")
    assert folder.is_dir()


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_file_in_its_place_is_named(file, below):
    assert "a file, not a folder" in why_unusable(file / below)
    with pytest.raises(UsageError, match=r"STILT_CACHE_DIR is .*; choose a folder") as raised:
        require_folder(file / below, "STILT_CACHE_DIR")
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert file.read_text() == "mine"


def test_what_the_system_refuses_is_said(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    assert "cannot be made" in make_folder(tmp_path / "link")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert f"{tmp_path} cannot be written" in why_unusable(tmp_path / "new")
    assert why_unusable(tmp_path) == "it cannot be written"


def test_a_project_names_the_setting(tmp_path, file):
    for settings, name in [
        ({"cache_dir": file}, "STILT_CACHE_DIR"),
        ({"compute_root": file / "x"}, "STILT_COMPUTE_ROOT"),
    ]:
        files = Project(tmp_path / "case", runtime=RuntimeSettings(**settings))
        with pytest.raises(UsageError, match=name):
            files.require_folders()


@pytest.mark.parametrize("name", [".stilt", ".stilt/weather"])
def test_a_file_in_the_place_of_the_projects_own_folder_is_named(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with pytest.raises(UsageError, match="remove it"):
        Project(tmp_path, runtime=RuntimeSettings()).require_folders()


def test_nothing_is_made_where_nothing_is_set(tmp_path):
    Project(tmp_path / "case", runtime=RuntimeSettings()).require_folders()
    assert not list(tmp_path.iterdir())


NOTICES = """
import logging, sys
from stilt.notices import notice
if len(sys.argv) > 1:
    handler = logging.StreamHandler()
    handler.setLevel(sys.argv[1])
    logging.getLogger().addHandler(handler)
notice(logging.getLogger("stilt.somewhere"), "It was %s.", "damaged")
"""


@pytest.mark.parametrize("levels", [[], ["WARNING"], ["CRITICAL"]])
def test_a_notice_reaches_the_terminal_once(levels):
    done = subprocess.run(
        [sys.executable, "-c", NOTICES, *levels], capture_output=True, text=True, check=True
    )
    assert done.stderr == "It was damaged.\n"
