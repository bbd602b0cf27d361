"""Each finding says what is there, and what to do when it is not as it should be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock
from packaging.requirements import Requirement

from stilt.cli import cli
from stilt.doctor import Verdict, diagnose, machine, packages, project


def versions(**known: str):
    return lambda name: known.get(name.replace("-", "_"))


NUMPY = [Requirement("numpy>=2.1"), Requirement("zarr>=3.0 ; extra == 'zarr'")]


def test_a_package_outside_its_range_is_named() -> None:
    assert packages.ranges_finding(NUMPY, versions(numpy="2.2")).verdict is Verdict.OK
    old = packages.ranges_finding(NUMPY, versions(numpy="1.26"))
    assert old.verdict is Verdict.PROBLEM
    assert "numpy 1.26 is not >=2.1" in old.found
    assert "numpy is not installed" in packages.ranges_finding(NUMPY, versions()).found


def test_an_extra_that_lacks_is_named_with_what_it_is_for() -> None:
    assert "Zarr stores" in packages.extras_finding(NUMPY, versions(numpy="2.2")).found
    there = packages.extras_finding(NUMPY, versions(numpy="2.2", zarr="3.1"))
    assert "Zarr stores" not in there.found


def test_every_extra_for_users_is_looked_at() -> None:
    from importlib.metadata import metadata

    extras = set(metadata("stilt").get_all("Provides-Extra"))
    assert extras - {"dev", "docs"} == set(packages.EXTRAS)


def test_versions_other_than_the_lock_s_are_named() -> None:
    lock = (
        "numpy==2.4.1 \\\n    --hash=sha256:0\n"
        "colorama==0.4 ; sys_platform == 'win32' \\\n    --hash=sha256:0\n"
        "absent==1.0\n"
    )
    same = packages.lock_finding(lock, versions(numpy="2.4.1", colorama="0.1"))
    assert same.verdict is Verdict.OK
    other = packages.lock_finding(lock, versions(numpy="2.4.0"))
    assert other.verdict is Verdict.WARNING
    assert "numpy 2.4.0 (2.4.1)" in other.found
    assert "make install" in other.advice


def test_the_lock_of_this_checkout_is_read() -> None:
    lock = Path(__file__).resolve().parents[2] / "requirements.lock"
    pinned = packages._PINNED.findall(lock.read_text())
    assert len(pinned) > 100
    assert {"jax", "arlmet"} <= {name for name, *_ in pinned}, "with extras and without"


def test_another_python_is_refused() -> None:
    assert packages.python_finding("3.12.1", ">=3.11").verdict is Verdict.OK
    assert packages.python_finding("3.10.1", ">=3.11").verdict is Verdict.PROBLEM


def test_pystilt_beside_us_is_found(tmp_path: Path) -> None:
    assert packages.pystilt_finding(tmp_path).verdict is Verdict.OK
    (tmp_path / "pystilt-0.1.0a1.dist-info").mkdir()
    found = packages.pystilt_finding(tmp_path)
    assert found.verdict is Verdict.PROBLEM
    assert "pip uninstall pystilt" in found.advice


def test_a_command_of_another_environment_is_told(tmp_path: Path) -> None:
    assert packages.command_finding(str(tmp_path / "bin/stilt"), tmp_path).verdict is Verdict.OK
    assert packages.command_finding("/usr/bin/stilt", tmp_path).verdict is Verdict.WARNING
    assert packages.command_finding(None, tmp_path).verdict is Verdict.WARNING


def test_little_memory_limits_the_workers() -> None:
    assert machine.memory_finding(64 * 10**9, 8).verdict is Verdict.OK
    little = machine.memory_finding(4 * 10**9, 8)
    assert little.verdict is Verdict.WARNING
    assert "at most 2 worker(s)" in little.advice


def test_locks_that_hold_are_fine_and_leave_nothing(tmp_path: Path) -> None:
    assert machine.lock_finding(tmp_path / "not yet").verdict is Verdict.OK
    assert list(tmp_path.iterdir()) == []


def test_locks_that_do_not_hold_are_a_problem(tmp_path: Path, monkeypatch) -> None:
    class NoLock:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(machine, "FileLock", NoLock)
    found = machine.lock_finding(tmp_path)
    assert found.verdict is Verdict.PROBLEM
    assert "two processes got the same lock" in found.found
    assert FileLock is not NoLock


def test_a_file_system_that_several_machines_share_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "file_system_of", lambda _: "nfs4")
    found = machine.lock_finding(tmp_path)
    assert found.verdict is Verdict.WARNING
    assert "stilt.project.lock_trial" in found.advice


def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount() -> None:
    if Path("/proc/mounts").exists():
        assert machine.file_system_of(Path("/proc/self")) == "proc"


def test_a_cache_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("STILT_CACHE_DIR", str(blocked / "cache"))
    found = machine.cache_finding()
    assert found.verdict is Verdict.PROBLEM
    assert "STILT_CACHE_DIR" in found.advice
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "cache"))
    assert machine.cache_finding().verdict is Verdict.OK
    assert not (tmp_path / "cache").exists()


def asked_of_prefect(variables: dict[str, str]) -> str:
    code = (
        "from pathlib import Path; from stilt.doctor.project import service_finding;"
        "found = service_finding(Path('.')); print(found.verdict, found.found)"
    )
    own = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=own | variables,
    )  # fmt: skip
    return shown.stdout


def test_a_prefect_api_that_does_not_answer_is_a_problem(tmp_path: Path) -> None:
    # In processes of their own: Prefect reads its settings once.
    home = {"PREFECT_HOME": str(tmp_path)}
    found = asked_of_prefect(home | {"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert found.startswith("problem The Prefect API at http://127.0.0.1:9/api does not answer")
    assert "private server" in asked_of_prefect(home)


def test_everything_is_looked_at_without_a_project(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    subjects = [finding.subject for finding in diagnose()]
    wanted = {"python", "packages", "extras", "lock", "pystilt", "command", "device", "cores"}
    assert wanted | {"memory", "locks", "disk", "cache", "prefect"} <= set(subjects)
    assert list(tmp_path.iterdir()) == []


def test_weather_of_a_project_is_looked_at_and_nothing_registered(project_files, tmp_path) -> None:
    root = project_files(tmp_path / "case")
    by_subject = {finding.subject: finding for finding in project.project_findings(str(root))}
    assert by_subject["weather demo"].verdict is Verdict.OK
    assert "All 3 receptor(s)" in by_subject["weather demo"].found
    assert not (root / ".stilt" / "index.duckdb").exists()
    with (root / "receptors.csv").open("a") as file:
        file.write("2023-08-30 18:00,-111.85,40.77,30\n")
    lacking = {one.subject: one for one in project.project_findings(str(root))}["weather demo"]
    assert lacking.verdict is Verdict.PROBLEM
    assert "1 of 4 receptor(s) lack weather" in lacking.found


@pytest.mark.parametrize("mistake", ["nonsense: 1\n", "mets: ["])
def test_a_broken_configuration_is_a_problem(tmp_path: Path, mistake: str) -> None:
    (tmp_path / "config.yaml").write_text(mistake)
    (finding,) = project.project_findings(str(tmp_path))
    assert (finding.subject, finding.verdict) == ("config", Verdict.PROBLEM)


def test_the_command_exits_with_1_when_there_is_a_problem(project_files, tmp_path) -> None:
    root = project_files(tmp_path / "case", "time,longitude,latitude,altitude\n2000-01-01,0,0,5\n")
    result = CliRunner().invoke(cli, ["doctor", str(root), "--json"])
    answer = json.loads(result.stdout)
    assert result.exit_code == answer["exit_code"] == 1
    problems = [f for f in answer["result"]["findings"] if f["verdict"] == "problem"]
    assert [one["subject"] for one in problems] == ["weather demo"]
    assert all(one["advice"] for one in problems)
    text = CliRunner().invoke(cli, ["doctor", str(root)]).stdout
    assert "FAIL weather demo" in text


def test_the_command_loads_no_prefect_by_itself() -> None:
    code = (
        "import sys; import stilt.doctor.packages as p; list(p.package_findings());"
        "print('prefect' in sys.modules, 'jax' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert shown.stdout.split() == ["False", "False"]
