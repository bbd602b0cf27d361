"""`stilt run` on disks that really refuse: a full file system, folders without write permission."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
from real_runs import check_everything

NUMBER = 24

# A root of its own name space may mount; the file system is gone when the last process ends.
OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")
# Root writes everywhere; without these rights it is held to permissions like anybody.
LIKE_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


def works(*command: str) -> bool:
    """Whether this machine lets us run a command so."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_full_disk_is_one_sentence_and_a_rerun_completes(real_runs, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=14m tmpfs {disk}"
    if not works(*OWN_MOUNTS, "sh", "-c", mount):
        pytest.skip("no file system can be mounted here")
    root = real_runs.project(tmp_path / "template", NUMBER, numpar=300)
    case, result = disk / "case", tmp_path / "result"
    script = f"""
        {mount}
        cp -r {root} {case}
        {{stilt}} run {case} --n-workers 2 > {tmp_path}/full.txt 2>&1
        echo $? > {tmp_path}/full.code
        {{stilt}} status {case} --json > {tmp_path}/full.json
        mount -o remount,size=400m {disk}
        {{stilt}} run {case} --n-workers 2 > {tmp_path}/freed.txt 2>&1
        echo $? > {tmp_path}/freed.code
        cp -r {case} {result}
    """
    stilt = f"{sys.executable} -m stilt"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "XDG_CACHE_HOME": str(real_runs.cache),
    }
    text = textwrap.dedent(script).format(stilt=stilt)
    done = subprocess.run(
        [*OWN_MOUNTS, "sh", "-c", text], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "full.code").read_text().strip() == "1"
    said = [
        line
        for line in (tmp_path / "full.txt").read_text().splitlines()
        if not line.startswith(("Starting", "Receptors", "Execution", "Workers", "Progress"))
    ]
    assert len([line for line in said if "make room" in line]) == 1, said
    assert "Error logging to API" not in "".join(said)
    assert "Traceback" not in "".join(said)
    counts = json.loads((tmp_path / "full.json").read_text())["result"]
    assert counts["completed"] < counts["total"] == NUMBER
    assert set(counts["reasons"]) <= {"DISK"}
    assert (tmp_path / "freed.code").read_text().strip() == "0", (
        tmp_path / "freed.txt"
    ).read_text()
    check_everything(result, NUMBER)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_an_output_directory_without_write_permission_says_so(real_runs, tmp_path):
    prefix = LIKE_ANYBODY if os.geteuid() == 0 else ()
    if prefix and not works(*prefix, "true"):
        pytest.skip("root may write everywhere, and cannot give that up here")
    root = real_runs.project(tmp_path / "case", 3)
    (root / "simulations").mkdir()
    (root / "simulations").chmod(0o500)
    code, text = real_runs.run("run", root, "--n-workers", "2", prefix=prefix)
    assert code == 1, text
    said = [line for line in text.splitlines() if "Permission denied" in line]
    assert len(said) == 1, text
    assert "give write permission, or write to another folder with --output-dir." in said[0]
    assert str(root / "simulations") in said[0]
    code, text = real_runs.run("status", root, "--json", prefix=prefix)
    assert json.loads(text)["result"]["reasons"] == {"DISK": 3}
    (root / "simulations").chmod(0o700)
    code, text = real_runs.run("run", root, "--n-workers", "2", prefix=prefix)
    assert code == 0, text
    check_everything(root, 3)


def test_a_project_without_write_permission_is_one_sentence(real_runs, tmp_path):
    prefix = LIKE_ANYBODY if os.geteuid() == 0 else ()
    if prefix and not works(*prefix, "true"):
        pytest.skip("root may write everywhere, and cannot give that up here")
    root = real_runs.project(tmp_path / "case", 1)
    root.chmod(0o500)
    try:
        code, text = real_runs.run("register", root, prefix=prefix)
        assert code == 2
        (line,) = text.splitlines()
        assert line.startswith("Error: [Errno 13] Permission denied: ")
        assert line.endswith("give write permission, or write to another folder with --output-dir.")
        code, text = real_runs.run("status", root, prefix=prefix)
        assert (code, text.split()[:2]) == (0, ["total", "0"])
    finally:
        root.chmod(0o700)
