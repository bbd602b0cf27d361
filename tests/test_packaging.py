"""The wheel: what is in it, and what it says where PYSTILT has installed the same package name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import stilt

ROOT = Path(__file__).resolve().parents[1]

# Names that PYSTILT has too, and an `import` that finds this package's folder instead of its file.
OTHER = {
    "stilt/__init__.py": "from .config import ProjectConfig\n",
    "stilt/__main__.py": "from .cli import app\napp()\n",
    "stilt/config.py": "class ProjectConfig: pass\n",
    "stilt/cli.py": "def app(): print('the other one')\n",
    "pystilt-9.8.7.dist-info/METADATA": "Metadata-Version: 2.1\nName: pystilt\nVersion: 9.8.7\n",
}

COMMAND = "import sys; sys.argv[0] = 'bin/stilt'; from stilt.cli import {name}; {name}()"


def check_schema(schema: str, *paths: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *paths],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def install_ours(wheel: zipfile.ZipFile, site: Path) -> None:
    wheel.extractall(site)


def install_other(wheel: zipfile.ZipFile, site: Path) -> None:
    for name, text in OTHER.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the packages of `site` before those of this environment."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=site.parent, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(site)},
    )  # fmt: skip


def test_the_wheel_is_typed_and_has_the_version_of_the_package(wheel):
    names = wheel.namelist()
    assert {"stilt/py.typed", "flows/py.typed"} <= set(names)
    metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
    fields = Parser().parsestr(wheel.read(metadata).decode())
    assert fields["Version"] == stilt.__version__
    assert {name.split("/")[0] for name in names} == {"stilt", "flows", metadata.split("/")[0]}


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dynamic"] == ["version"]
    assert "version" not in project


def test_the_library_has_ranges_and_the_lock_has_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [text for group in (project["dependencies"], *extras) for text in group]
    assert [text for text in wanted if "==" in text] == []


def test_the_wheel_alone_works(wheel, tmp_path):
    site = tmp_path / "site"
    install_ours(wheel, site)
    done = run(site, "-c", "import stilt; print(stilt.__file__, stilt.PointReceptor.__name__)")
    assert done.stdout.split() == [str(site / "stilt" / "__init__.py"), "PointReceptor"]
    assert run(site, "-m", "stilt", "--version").returncode == 0


@pytest.mark.parametrize(
    "order",
    [(install_ours, install_other), (install_other, install_ours)],
    ids=["pystilt last", "stilt last"],
)
def test_pystilt_in_the_same_environment_is_named_in_one_sentence(wheel, tmp_path, order):
    site = tmp_path / "site"
    for install in order:
        install(wheel, site)
    last = order[1] is install_ours
    for code in (
        "import stilt",
        "from stilt.config import ModelConfig",
        "import flows.definitions",
    ):
        done = run(site, "-c", code)
        assert done.returncode == 1
        sentence = done.stderr.splitlines()[-1]
        assert sentence.startswith("ImportError: PYSTILT (pystilt 9.8.7) is installed in the same")
        assert str(site / "stilt") in sentence
        assert "pip uninstall pystilt" in sentence
    for arguments in (["-m", "stilt"], ["-c", COMMAND.format(name="main" if last else "app")]):
        done = run(site, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: PYSTILT (pystilt 9.8.7)")
        assert len(done.stderr.splitlines()) == 1


def test_pystilt_further_down_the_path_does_no_harm(wheel, tmp_path):
    install_ours(wheel, tmp_path / "site")
    install_other(wheel, tmp_path / "system")
    code = f"import sys; sys.path.append({str(tmp_path / 'system')!r}); import stilt; stilt.Grid"
    assert run(tmp_path / "site", "-c", code).returncode == 0


def test_the_citation_is_valid():
    check_schema("citation-file-format", ROOT / "CITATION.cff")


def test_issue_forms_are_valid():
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = sorted(set(folder.glob("*.yml")) - {folder / "config.yml"})
    assert len(forms) == 3
    check_schema("github-issue-forms", *forms)
    check_schema("github-issue-config", folder / "config.yml")


def test_the_pre_commit_hooks_are_valid_and_fetch_nothing():
    from pre_commit.clientlib import load_config

    repositories = load_config(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    # pre-commit reads "system" as "unsupported": programs that it does not install.
    assert {hook["language"] for hook in repositories[0]["hooks"]} <= {"system", "unsupported"}


def test_the_change_log_has_the_form_of_keep_a_changelog():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    released = re.compile(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")
    assert [line for line in versions[1:] if not released.fullmatch(line)] == []
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
