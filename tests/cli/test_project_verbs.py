import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from stilt.cli import cli
from stilt.model import Model
from stilt.receptors import SimID
from stilt.roots import shown

LATE = "demo_202308301800_-111.85_40.77_30"


@pytest.fixture(scope="module")
def ran(api: str, weather: Path, tmp_path_factory, project_files):
    """A project after `stilt run`: three simulations complete, one without weather."""
    root = project_files(tmp_path_factory.mktemp("ran"))
    with (root / "receptors.csv").open("a") as file:
        file.write("2023-08-30 18:00,-111.85,40.77,30\n")
    return root, CliRunner().invoke(cli, ["run", str(root)])


def test_run_tells_what_it_does_and_exits_with_1_for_a_failure(ran) -> None:
    root, result = ran
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == (
        f"Starting run: project={root}  backend=local  dispatch=push  workers=1  skip=config"
    )
    assert "Receptors loaded: 4" in lines
    assert "Execution mode: local-blocking" in lines
    assert "Workers launched. Waiting for completion..." in lines
    assert "Progress: total=4  ended=0  running=1  pending=3  failed=0" in lines
    assert lines[-1] == (
        f"Project: {root.name}  total=4  completed=3  running=0  pending=0  failed=1"
    )
    assert "Traceback" not in result.output
    failure, hint, results, *_ = result.stderr.splitlines()[-5:]
    # The hours that are missing were named before anything was computed, and are not named again.
    assert failure == f"{LATE}: MISSING_MET_FILES, as said before the run."
    assert hint.endswith(f" {LATE}")
    assert "stilt explain " in hint
    # Three of four are there to be looked at.
    assert results.startswith("Results are in ")
    assert re.search(r": [\d.]+ .?B \(particles [\d.]+ .?B, footprints [\d.]+ .?B\)\.$", results)
    assert "stilt plot " in result.stderr


def test_status_counts_states_and_reasons(ran, stilt) -> None:
    root, _ = ran
    shown = stilt("status", root)
    assert shown.exit_code == 0
    labels = [line.split() for line in shown.stdout.splitlines()]
    assert labels[:5] == [
        ["total", "4"],
        ["completed", "3"],
        ["running", "0"],
        ["pending", "0"],
        ["failed", "1"],
    ]
    report = json.loads(stilt("status", root, "--json").stdout)["result"]
    assert sum(report["reasons"].values()) == report["failed"] == 1


def test_status_tells_where_the_time_went(ran, stilt) -> None:
    root, _ = ran
    seconds = json.loads(stilt("status", root, "--times", "--json").stdout)["result"]
    assert seconds["transport"] > 0
    last = stilt("status", root, "--times").stdout.splitlines()[-1].split()
    assert last[0] == "all"
    assert float(last[1]) == pytest.approx(sum(seconds.values()), abs=0.1)


def test_without_a_project_the_current_directory_is_meant(ran, stilt, monkeypatch) -> None:
    root, _ = ran
    monkeypatch.chdir(root)
    assert json.loads(stilt("status", "--json").stdout)["result"]["total"] == 4


def test_explain_names_the_reason_and_what_to_do(ran, stilt) -> None:
    root, _ = ran
    text = stilt("explain", root).stdout
    heading, advice, failure = text.splitlines()
    assert heading == "MISSING_MET_FILES: 1 simulation"
    assert advice.startswith("  to do: ")
    assert failure.startswith(f"  {LATE}: ")
    (row,) = json.loads(stilt("explain", root, LATE, "--json").stdout)["result"]
    assert row["advice"]
    assert stilt("explain", root, "demo_nothing").exit_code == 2


def test_explain_says_once_what_to_do_about_many(ran, stilt, monkeypatch) -> None:
    root, _ = ran
    row = {"reason": "MISSING_MET_FILES", "detail": "No files.", "finished_at": None}
    rows = [{**row, "sim_id": f"demo_{number}"} for number in range(1200)]
    monkeypatch.setattr(Model, "failures", lambda self: rows)
    lines = stilt("explain", root).stdout.splitlines()
    assert lines[0] == "MISSING_MET_FILES: 1,200 simulations"
    assert [line for line in lines if "demo_" in line] == [
        f"  demo_{number}: No files." for number in range(5)
    ]
    assert lines[-1] == "  and 1,195 more (--json lists them all)"


def test_explain_of_a_place_tells_the_states_there(ran, stilt) -> None:
    root, _ = ran
    place = "-111.85_40.77_30"
    told = stilt("explain", root, "--", place).stdout
    assert told.startswith(f"{place}: 4 simulations\n  complete: 3\n")
    assert f"  failed: 1\n    {LATE}\n" in told
    assert "MISSING_MET_FILES: 1 simulation\n  to do: " in told
    assert told.endswith(f"Each of them: stilt explain {shown(root)} {LATE}\n")
    rows = json.loads(stilt("explain", "--json", root, "--", place).stdout)["result"]
    assert [row["state"] for row in rows] == ["complete"] * 3 + ["failed"]
    assert [row["reason"] for row in rows] == [""] * 3 + ["MISSING_MET_FILES"]


def test_explain_of_one_tells_cause_weather_log_and_command(ran, stilt) -> None:
    root, _ = ran
    lines = stilt("explain", root, LATE).stdout.splitlines()
    assert lines[:2] == [LATE, "  state: failed"]
    assert sum(line.startswith("  cause: MISSING_MET_FILES: ") for line in lines) == 1
    # Each is said once: the weather is as it was then, and the log has no traceback.
    assert "  weather lacked: see the cause" in lines
    assert sum("MISSING_MET_FILES" in line for line in lines) == 1
    assert any(line.startswith("  log: ") and line.endswith("stilt.log") for line in lines)
    command = f"  run it again: echo {LATE} | stilt push-worker {root} --chunk -"
    assert lines[-1] == command
    again = CliRunner().invoke(cli, ["push-worker", str(root), "--chunk", "-"], input=LATE + "\n")
    assert again.exit_code == 1
    assert "0 of 1 simulation(s) complete." in again.output
    done = Model(project=root).simulations.ids(state="complete")[0]
    text = stilt("explain", root, done).stdout
    assert "state: complete" in text
    assert "weather used: " in text
    assert "log: none" in text


def test_status_names_what_is_stale(ran, stilt) -> None:
    root, _ = ran
    config = (root / "config.yaml").read_text()
    try:
        (root / "config.yaml").write_text(config.replace("numpar: 20", "numpar: 21"))
        assert "  stale" in stilt("status", root).stdout
        report = json.loads(stilt("status", root, "--json").stdout)["result"]
        assert (report["stale"], report["pending"], report["completed"]) == (3, 3, 0)
    finally:
        (root / "config.yaml").write_text(config)
    assert "stale" not in stilt("status", root).stdout


def test_check_names_the_receptor_and_the_files(ran, stilt) -> None:
    root, _ = ran
    result = stilt("check", root)
    assert result.exit_code == 1
    assert LATE.removeprefix("demo_") in result.stdout
    assert "20230830_18" in result.stdout
    assert "3 of 4 simulation(s) have their weather." in result.stdout
    entries = json.loads(stilt("check", root, "--json").stdout)["result"]
    assert [entry["status"] for entry in entries].count("covered") == 3


def test_rebuild_gives_the_same_answer_without_the_index(ran, stilt) -> None:
    root, _ = ran
    before = stilt("status", root).stdout
    for part in (root / ".stilt").glob("index.duckdb*"):
        part.unlink()
    result = stilt("rebuild", root)
    assert result.exit_code == 0
    assert result.stdout == before


def test_push_worker_runs_the_ids_of_a_file(ran, stilt, tmp_path: Path) -> None:
    root, _ = ran
    ids = Model(project=root).simulations.ids()
    chunk = tmp_path / "task_0.txt"
    chunk.write_text("\n\n".join(sim_id for sim_id in ids if sim_id != LATE))
    result = stilt("push-worker", root, "--chunk", chunk)
    assert (result.exit_code, result.stdout) == (0, "3 of 3 simulation(s) complete.\n")
    chunk.write_text(f"{LATE}\n")
    assert stilt("push-worker", root, "--chunk", chunk).exit_code == 1
    chunk.write_text("demo_202301010000_1_2_3\n")
    result = stilt("push-worker", root, "--chunk", chunk)
    assert result.exit_code == 2
    assert "demo_202301010000_1_2_3" in result.stderr
    assert stilt("push-worker", root, "--chunk", tmp_path / "absent").exit_code == 2


def test_what_was_registered_before_and_has_no_scene_is_counted(
    weather: Path, project_files, stilt, tmp_path: Path
) -> None:
    root = project_files(tmp_path)
    first = int(stilt("register", root).stdout.split()[1])
    other = tmp_path / "tower.csv"
    other.write_text("time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,35\n")
    told = stilt("register", root, "--receptors", other, "--scene-id", "tower-1").stdout
    assert f"the simulations registered before, {first}, stay registered" in told
    tower, rest = stilt("status", root, "--by-scene").stdout.splitlines()
    assert tower.startswith("tower-1  total=1 ")
    assert rest.startswith(f"without a scene  total={first}  completed=0 ")


def test_register_then_pull_worker(weather: Path, project_files, stilt, tmp_path: Path) -> None:
    root = project_files(tmp_path)
    other = tmp_path / "tower.csv"
    other.write_text("time,lon,lat,zagl\n2023-07-15 18:00,-111.85,40.77,30\n")
    result = stilt("register", root, "--receptors", other, "--scene-id", "tower-1")
    assert (result.exit_code, result.stdout) == (0, "Registered 1 simulation(s).\n")
    line = stilt("status", root, "--by-scene").stdout
    assert line == "tower-1  total=1  completed=0  running=0  pending=1  failed=0\n"
    unknown = stilt("status", root, "--scene-id", "tower-2")
    assert unknown.exit_code == 2
    assert "Unknown scene 'tower-2': did you mean 'tower-1'?" in unknown.stderr
    result = stilt("pull-worker", root)
    assert result.exit_code == 0
    assert json.loads(stilt("status", root, "--json").stdout)["result"]["completed"] == 1


def test_no_scenes(case: Path, stilt) -> None:
    assert stilt("status", case, "--by-scene").stdout == "Scenes: none\n"
    assert json.loads(stilt("status", case, "--by-scene", "--json").stdout)["result"] == {}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("config.yaml", "n_hour: 3\n", "did you mean 'n_hours'"),
        ("receptors.csv", "never,1,2,3\n", "line 4"),
    ],
)
def test_a_mistake_in_the_inputs_is_one_line(
    case: Path, stilt, api: str, name: str, text: str, message: str
) -> None:
    with (case / name).open("a") as file:
        file.write(text)
    result = stilt("run", case)
    assert result.exit_code == 2
    assert message in result.stderr
    assert str(case / name) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_run_options_that_make_no_sense(case: Path, stilt, tmp_path: Path, api: str) -> None:
    assert "Unknown execution backend: 'cloud'" in stilt("run", case, "--backend", "cloud").stderr
    assert stilt("run", case, "--config", case / "config.yaml").exit_code == 2
    other = tmp_path / "other.yaml"
    other.write_text("")
    assert stilt("run", "--config", other).exit_code == 2


@pytest.mark.parametrize("verb", ["run", "check", "pull-worker"])
def test_a_cache_folder_that_cannot_be_used_is_one_line(
    weather: Path, project_files, stilt, tmp_path: Path, monkeypatch, verb: str, api: str
) -> None:
    root = project_files(tmp_path / "case")
    assert stilt("register", root).exit_code == 0
    (tmp_path / "file").touch()
    monkeypatch.setenv("STILT_CACHE_DIR", str(tmp_path / "file"))
    result = stilt(verb, root)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    told = "Refused" if verb == "check" else "Error"
    assert line.startswith(f"{told}: STILT_CACHE_DIR is {tmp_path / 'file'}, which cannot be used")
    assert stilt("status", root).exit_code == 0


def test_ui_refuses_when_the_runs_are_elsewhere_or_the_port_is_taken(
    case: Path, stilt, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = stilt("ui", case)
    assert result.exit_code == 2
    assert api in result.stderr
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setattr("flows.backends.user_api_url", lambda: None)
    port = api.split(":")[2].split("/")[0]
    result = stilt("ui", case, "--port", port)
    assert result.exit_code == 2
    assert f"Port {port} is in use" in result.stderr


def test_demo_and_serve_are_thin(case: Path, stilt, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr("stilt.demo.run_demo", lambda *a, **k: called.append((a, k)))
    assert stilt("demo", "somewhere", "--n-workers", "3").exit_code == 0

    def interrupted(model, **options) -> None:
        assert options.pop("observer") is not None
        called.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("stilt.execution.pull_simulations", interrupted)
    result = stilt("serve", case, "--poll-interval", "0.5")
    assert result.exit_code == 3
    assert called == [
        (("somewhere",), {"n_workers": 3, "console": None}),
        {"follow": True, "poll_interval": 0.5, "skip_existing": None},
    ]


def test_check_names_one_cause_once_and_where_to_look(ran, stilt) -> None:
    project, _ = ran
    config = project / "config.yaml"
    before = config.read_text()
    config.write_text(before.replace("%Y%m%d", "wrf%Y%m%d"))
    try:
        answer = stilt("check", project)
    finally:
        config.write_text(before)
    lines = [line for line in answer.stdout.splitlines() if "MISSING_MET_FILES" in line]
    details = [line.partition("MISSING_MET_FILES: ")[2] for line in lines]
    assert details
    assert len(details) == len(set(details))
    assert "such as 2023" in details[0]
    assert f"stilt weather list {shown(project)}" in answer.stdout


def test_check_asks_no_weather_of_what_is_complete(ran, stilt) -> None:
    root, _ = ran
    config = (root / "config.yaml").read_text()
    away = root.parent / "away"
    met = Path(re.search(r"directory: (.*)", config)[1])
    try:
        # The folder counts as the same, as if its files had been removed after the run.
        away.mkdir()
        moved = config.replace(str(met), str(away))
        moved = moved.replace(f"directory: {away}", f"directory: {away}\n    moved_from: {met}")
        (root / "config.yaml").write_text(moved)
        told = stilt("check", root)
        assert told.exit_code == 1
        assert "3 of 4 simulation(s) have their weather, or are complete without it (3)." in (
            told.stdout
        )
        rows = json.loads(stilt("check", root, "--json").stdout)["result"]
        assert [(row["complete"], row["reason"]) for row in rows] == [
            *[(True, "")] * 3, (False, "MISSING_MET_FILES"),
        ]  # fmt: skip
    finally:
        (root / "config.yaml").write_text(config)


def test_a_file_given_for_a_project_is_told_its_folder(ran, stilt) -> None:
    root, _ = ran
    for verb in ("run", "status", "plot"):
        told = stilt(verb, root / "config.yaml")
        assert told.exit_code == 2
        assert "is a file: a project is a folder" in told.stderr
        assert shown(root) in told.stderr


def test_check_tells_which_grids_are_cut(weather, project_files, tmp_path, stilt) -> None:
    root = project_files(tmp_path / "case")
    config = (root / "config.yaml").read_text()
    (root / "config.yaml").write_text(config.replace("ymax: 41.5", "ymax: 41.55"))
    said = stilt("check", root).stdout.splitlines()
    assert said[0] == (
        "Footprint 'default': y from 40 to 41.55 (degrees) is not a whole number of cells of "
        "yres 0.1: the grid has 15 and ends at y 41.5."
    )


def test_receptors_that_are_not_listed_any_more_are_told_of(api: str, case: Path, stilt) -> None:
    first = stilt("run", case)
    assert "does not list" not in first.stderr
    listed = case / "receptors.csv"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:2]))
    again = stilt("run", case)
    assert "total=2" in again.stdout
    (line,) = [line for line in again.stderr.splitlines() if "does not list" in line]
    assert line.startswith(
        "1 simulation(s) without results, such as toy_202301011300_-111.85_40.77_5"
    )
    assert shown(case / ".stilt") in line
    shutil.rmtree(case / ".stilt")
    last = stilt("run", case)
    assert "total=1" in last.stdout
    assert "does not list" not in last.stderr


def test_results_that_are_not_listed_any_more_are_told_of(
    api: str, weather, project_files, tmp_path, stilt
) -> None:
    root = project_files(tmp_path / "cut")
    first = stilt("run", root)
    assert "no longer lists" not in first.output + stilt("status", root).output
    listed = root / "receptors.csv"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:3]))
    again = stilt("run", root)
    sentence = "1 result(s) are of receptors that receptors.csv no longer lists"
    assert sentence in again.stderr
    assert "without results" not in again.stderr
    assert sentence in stilt("status", root).stdout
    assert json.loads(stilt("status", root, "--json").stdout)["result"]["unlisted"] == 1
    model = Model(root)
    feet = model.footprints["default"]
    assert [len(feet.load(listed=one)) for one in (None, True, False)] == [3, 2, 1]
    assert model.simulations.ids(listed=False) == ["demo_202307152000_-111.85_40.77_30"]
    told = stilt("export", root, tmp_path / "two", "--format", "files", "--listed")
    assert told.stdout.startswith("2 simulation(s) written")
    told = stilt("plot", root, "--each", "--listed", "--out", f"{tmp_path}/two/", "--json")
    assert len(json.loads(told.stdout)["result"]) == 2
    # Also when the index is read from the files again.
    shutil.rmtree(root / ".stilt")
    assert stilt("run", root).exit_code == 0
    assert sentence in stilt("status", root).stdout


def test_of_failures_with_one_reason_the_number_is_said(
    api: str, case: Path, stilt, caplog
) -> None:
    said = stilt("run", case).stderr.splitlines()
    before = [each.getMessage() for each in caplog.records if "has no file" in each.getMessage()]
    assert len(before) == 1
    assert not any("has no file" in line for line in said)
    place = next(
        n for n, line in enumerate(said) if line.startswith("toy_2023") and "MISSING" in line
    )
    assert said[place + 1] == "  and 1 more: MISSING_MET_FILES"
    assert said[place + 2].startswith("All failures and what to do: stilt explain ")
    listed = case / "receptors.csv"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:2]))
    shutil.rmtree(case / ".stilt")
    alone = stilt("run", case).stderr
    assert "more: MISSING_MET_FILES" not in alone
    assert "All failures" not in alone


def test_a_misspelt_column_is_asked_about_and_a_label_is_not(case: Path, stilt, caplog) -> None:
    listed = case / "receptors.csv"
    right = listed.read_text()
    wrong = [
        line + (",msl" if number else ",altitude_reff")
        for number, line in enumerate(right.splitlines())
    ]
    listed.write_text("\n".join(wrong) + "\n")
    question = "The column 'altitude_reff' of the receptors is kept as a label"
    assert stilt("check", case).stdout.count(question) == 1
    assert stilt("register", case).exit_code == 0
    assert caplog.text.count(question) == 1
    caplog.clear()
    listed.write_text(
        "\n".join(wrong).replace("altitude_reff", "site").replace("msl", "peak") + "\n"
    )
    assert "kept as a label" not in stilt("check", case).stdout
    stilt("register", case)
    assert "kept as a label" not in caplog.text


def test_ids_that_check_prints_can_be_given_to_other_commands(ran, stilt) -> None:
    root, _ = ran
    listed = root / "receptors.csv"
    before = listed.read_text()
    listed.write_text(before.replace("altitude", "zmsl"))
    try:
        lines = stilt("check", root).stdout.splitlines()
    finally:
        listed.write_text(before)
    named = [line.partition(": ")[0] for line in lines if "BELOW_GROUND" in line]
    assert named
    for text in named:
        SimID(text.partition(" and ")[0])


def test_a_place_in_a_command_is_the_shorter_of_the_two_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "case") == "case"
    assert shown(tmp_path.parent) == ".."
    assert shown(Path("/data")) == "/data"


def test_a_list_without_receptors_is_told_of(api: str, case: Path, stilt) -> None:
    (case / "receptors.csv").write_text("time,longitude,latitude,altitude\n")
    said = "receptors.csv lists no receptor: write a line for each"
    for verb in ("check", "run"):
        answer = stilt(verb, case)
        assert answer.exit_code == 2
        assert said in answer.stderr
    late = case / "late.csv"
    late.write_text("time,longitude,latitude,altitude\n2023-03-01 12:00:00,-111.85,40.77,5\n")
    assert stilt("register", case, "--receptors", late, "--scene-id", "s").exit_code == 0
    (case / "receptors.csv").write_text("time,longitude,latitude,altitude\n")
    for verb, code in (("check", 0), ("run", 1)):
        answer = stilt(verb, case)
        assert (answer.exit_code, said in answer.stdout) == (code, True)


def test_a_missing_folder_is_one_cause(case: Path, stilt) -> None:
    with (case / "receptors.csv").open("a") as file:
        file.write("2023-03-01 12:00:00,-111.85,40.77,5\n")
    config = (case / "config.yaml").read_text()
    (case / "config.yaml").write_text(config.replace(str(case / "met"), "nowhere"))
    lines = stilt("check", case).stdout.splitlines()
    (line,) = [line for line in lines if "MISSING_MET_FILES" in line]
    assert line.startswith("3 simulations of toy from 2023-01-01 12:00 to 2023-03-01 12:00")
    assert "There is no folder nowhere beside config.yaml for the weather of toy" in line
