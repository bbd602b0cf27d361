"""A private server's database comes from the installation's template, else from the user's."""

import sqlite3
import sys
from contextlib import closing

import pytest

from flows import make_template, private_server
from stilt.execution import database_template

TEMPLATE = private_server.template()


def database(path, made_by):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE made_by AS SELECT ? AS name", [made_by])
        connection.execute("CREATE TABLE alembic_version AS SELECT 'x' AS version_num")
    return path


def maker(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name FROM made_by").fetchone()[0]


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty environment and an empty cache; nothing is launched."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setattr(database_template, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(private_server.PrivateServer, "_launch", lambda *_: None)
    return tmp_path


def test_the_installation_comes_first_then_the_user_then_nothing(places):
    assert not private_server.PrivateServer(places / "a").database.path.exists()
    database(TEMPLATE.of_user, "user")
    assert maker(private_server.PrivateServer(places / "b").database.path) == "user"
    database(TEMPLATE.of_installation, "installation")
    assert maker(private_server.PrivateServer(places / "c").database.path) == "installation"


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "zeros"])
@pytest.mark.parametrize("which", ["of_user", "of_installation"])
def test_a_damaged_template_is_removed_and_said_once(places, caplog, which, damage):
    path = database(getattr(TEMPLATE, which), "x" * 20_000)
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "text": b"no database" * 1000,
        "cut": whole[: len(whole) // 2],
        "zeros": whole[:5000] + bytes(4000) + whole[9000:],
    }
    path.write_bytes(damaged[damage])
    assert not private_server.PrivateServer(places / "a").database.path.exists()
    assert not path.exists()
    (record,) = caplog.records
    assert str(path) in record.message
    assert record.message.endswith("it is not used, and was removed to be made again.")


def test_after_a_damaged_template_of_the_installation_the_users_is_taken(places):
    database(TEMPLATE.of_installation, "installation").write_bytes(b"damaged")
    database(TEMPLATE.of_user, "user")
    assert maker(private_server.PrivateServer(places / "a").database.path) == "user"


def test_a_template_is_made_again_once_a_server_has_started(api, tmp_path, monkeypatch):
    monkeypatch.setattr(database_template, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    path = TEMPLATE.of_user
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    started = private_server.PrivateServer(tmp_path / "a")
    try:
        started.wait()
    finally:
        started.stop()
    assert TEMPLATE.is_sound(path)


def test_a_template_that_is_there_is_left_alone(places):
    path = database(TEMPLATE.of_installation, "installation")
    assert make_template.main() == 0
    assert maker(path) == "installation"


def test_an_environment_that_cannot_be_written_to_is_one_sentence(places, capsys):
    (places / "environment").write_text("a file where the folder should be")
    assert make_template.main() == 1
    assert "Each user's first run makes its own." in capsys.readouterr().err
