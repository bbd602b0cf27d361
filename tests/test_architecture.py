"""Properties of the whole code base: what imports what, what it costs, what is written down."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import click
import grimp
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from stilt.errors import Reason

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "pages"


def run_python(code: str) -> str:
    """Run code in a fresh interpreter that finds this checkout; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def tracked_files() -> list[Path]:
    """Text files under version control; the test is skipped outside a checkout."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_imports_point_one_way():
    lint = "import sys; from importlinter.cli import lint_imports_command as c; c()"
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_modules_import_each_other_not_even_for_types():
    graph = grimp.build_graph("stilt", "flows", cache_dir=None)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    # What imports only modules that are out of every cycle is out of every cycle itself.
    while free := {name for name, used in imports.items() if not used & imports.keys()}:
        imports = {name: used for name, used in imports.items() if name not in free}
    # The others are in a cycle, or import one; the modules of cycles are also imported.
    imported = set().union(*imports.values()) & imports.keys()
    assert sorted(imported) == []


@pytest.mark.parametrize("module", ["stilt", "stilt.config", "stilt.receptors", "stilt.project"])
def test_light_modules_load_no_engine(module):
    engines = ("jax", "prefect", "matplotlib", "dask")
    code = f"import {module}, sys; print(*[n for n in {engines} if n in sys.modules])"
    assert run_python(code) == ""


def test_import_costs_little():
    code = "import time; t = time.process_time(); import stilt; print(time.process_time() - t)"
    assert float(run_python(code)) < 0.5


def test_status_loads_no_table_library(tmp_path):
    case = str(tmp_path / "case")
    stilt = [sys.executable, "-m", "stilt"]
    for verb in ("init", "register"):
        subprocess.run([*stilt, verb, case], cwd=ROOT, check=True, capture_output=True)
    code = f"""
import sys
from stilt.cli import main
try:
    main(["status", {case!r}])
except SystemExit as ended:
    heavy = ("pandas", "numpy", "pyarrow", "xarray", "jax", "prefect")
    print(ended.code, *[name for name in heavy if name in sys.modules])
"""
    shown = run_python(code).splitlines()
    assert shown[0].split() == ["total", "1"]
    assert shown[-1] == "0"


def test_a_footprint_file_is_written_without_xarray(tmp_path):
    code = f"""
import sys
import numpy as np
from stilt import Footprint, FootprintConfig, Grid, PointReceptor
grid = Grid(xmin=-112, xmax=-110, ymin=40, ymax=42, xres=1, yres=1)
receptor = PointReceptor("2023-07-15 18:00", -111.0, 41.0, 10.0)
places = np.array([-111.5, -110.5]), np.array([40.5, 41.5])
foot = Footprint.of_layers(
    np.ones((1, 2, 2)), np.array([-1]), *places, receptor, FootprintConfig(grid=grid)
)
foot.to_netcdf({str(tmp_path / "foot.nc")!r})
print(foot.total, *[name for name in ("xarray", "dask", "pint") if name in sys.modules])
"""
    assert run_python(code) == "4.0"


def test_every_public_name_loads():
    run_python("import stilt; [getattr(stilt, name) for name in stilt.__all__]")


def test_no_tracked_file_names_a_machine():
    machine = re.compile(
        "|".join(["/" + "work/", "/" + "root/", "/" + "tmp/envs", "/" + "opt/pypi"])
    )
    guilty = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if machine.search(line)
    ]
    assert guilty == []


def test_no_file_under_version_control_is_large():
    assert [p.name for p in tracked_files() if p.stat().st_size > 1_000_000] == []


def lock_versions() -> dict[str, list[str]]:
    """Return the versions in the lock by normalised name; some differ with the Python version."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^\s;\\]+)",
        (ROOT / "requirements.lock").read_text(),
        re.M,
    ):
        found.setdefault(normal(name), []).append(version)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_satisfies_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    locked = lock_versions()
    for text in wanted:
        requirement = Requirement(text)
        versions = locked.get(normal(requirement.name))
        assert versions, f"{requirement.name} is not in requirements.lock: run make lock"
        for version in versions:
            assert requirement.specifier.contains(Version(version)), f"{text} but {version}"


def test_the_lock_names_no_host():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_this_environment_comes_from_the_lock():
    from importlib.metadata import version

    locked = lock_versions()
    for name in ("prefect", "fastapi", "jax", "duckdb", "arlmet"):
        try:
            assert version(name) in locked[name], f"{name} is not the locked version"
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed")


def commands() -> dict[str, click.Command]:
    from stilt.cli import cli

    context = click.Context(cli)
    return {name: cli.get_command(context, name) for name in cli.list_commands(context)}


def test_every_command_and_option_is_documented():
    text = (PAGES / "reference" / "cli.md").read_text(encoding="utf-8")
    missing = []
    for name, command in commands().items():
        if f"## stilt {name}\n" not in text:
            missing.append(name)
        for parameter in command.params:
            missing += [f"{name} {o}" for o in parameter.opts if o[0] == "-" and o not in text]
    assert missing == []


def test_every_command_has_help_with_an_example():
    for name, command in commands().items():
        assert command.help, f"stilt {name} has no help"
        assert f"stilt {name}" in command.help + (command.epilog or ""), f"{name}: no example"


def test_every_reason_is_documented():
    text = (PAGES / "errors.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason.value}`" not in text] == []


def test_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(PAGES)} -> {target}")
    assert broken == []
