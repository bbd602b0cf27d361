"""The model: inputs are stored without touching what means the same."""

import subprocess
import sys

import pandas as pd
import pytest
import stilt_fakes as fakes
from click.testing import CliRunner
from inline_backend import Inline

import stilt
from stilt.cli import cli
from stilt.errors import UsageError
from stilt.execution import get_executor

CONFIG = """\
# A comment that must survive.
n_hours: -2
hnf_plume: false
numpar: 5
seed: 1
mets:
  fake: {directory: met, file_format: "%Y%m%d_%H", file_tres: 1h}
footprints:
  default: {xmin: -113, xmax: -110, ymin: 39, ymax: 42, xres: 0.5, yres: 0.5}
"""
RECEPTORS = """\
# a comment that must survive
time,long,lati,zagl
2023-01-01 00:00:00,-111.85,40.77,5
202301010010,-111.85,40.77,5
"""


@pytest.fixture
def written(tmp_path, faked):
    """A project whose files a person wrote."""
    root = tmp_path / "case"
    root.mkdir()
    (root / "config.yaml").write_text(CONFIG)
    (root / "receptors.csv").write_text(RECEPTORS)
    return root


def test_making_a_model_writes_nothing(tmp_path):
    model = stilt.Model(tmp_path / "case", fakes.receptors(2), fakes.config())
    assert not (tmp_path / "case").exists()
    assert model.status()["total"] == 0
    assert model.simulations.incomplete() == [f"fake_{r.id}" for r in model.receptors]
    assert not (tmp_path / "case").exists()


def test_running_never_rewrites_files_that_mean_the_same(written):
    model = stilt.Model(written)
    model.run(executor=Inline())
    assert model.status()["completed"] == 2
    again = stilt.Model(written, receptors=list(model.receptors), config=model.config)
    again.run(executor=Inline())
    again.register_pending(scene_id="s")
    assert (written / "config.yaml").read_text() == CONFIG
    assert (written / "receptors.csv").read_text() == RECEPTORS


def test_an_output_root_gets_copies_and_workers_need_nothing_else(written, tmp_path):
    out = tmp_path / "out"
    model = stilt.Model(written, output_dir=out)
    model.run(executor=Inline())
    assert (out / "receptors.csv").read_text() == RECEPTORS
    assert stilt.Model(out).status()["completed"] == 2
    assert not (written / "simulations").exists()
    assert model.layout.root == out


def test_a_second_run_does_only_what_is_missing(written, faked):
    model, executor = stilt.Model(written), Inline()
    ids = [f"fake_{receptor.id}" for receptor in model.receptors]
    fakes.wish(faked, "fail", ids[1])
    model.run(executor=executor)
    (faked / "fail" / ids[1]).unlink()
    model.run(executor=executor)
    run = model.run(executor=executor)
    run.wait()
    assert run.job_id == "local"
    assert not run.detached
    assert run.counts["total"] == 0
    assert executor.asked == [ids, [ids[1]]]
    model.run(executor=executor, skip_existing=False)
    assert executor.asked[-1] == ids
    assert fakes.starts(faked) == {ids[0]: 2, ids[1]: 3}


DAY_FIRST = "time,long,lati,zagl\n10.01.2023 06:00,-111.85,40.77,5\n"
AS_WRITTEN = ["fake_202301100600_-111.85_40.77_5"]


def test_a_stated_time_format_is_kept_as_long_as_the_file_is_the_same(written):
    path = written / "receptors.csv"
    path.write_text(DAY_FIRST)
    with pytest.raises(UsageError, match=r"line 2, column 'time'.*--time-format"):
        stilt.Model(written).run(executor=Inline())
    stilt.Model(written, time_format="%d.%m.%Y %H:%M").run(executor=Inline())
    assert path.read_text() == DAY_FIRST
    again, executor = stilt.Model(written), Inline()
    again.run(executor=executor)
    assert executor.asked == []
    assert again.is_registered()
    assert again.simulations.ids() == again.simulations.ids(state="complete") == AS_WRITTEN
    again.index.path.unlink()
    stilt.Model(written).rebuild()
    assert stilt.Model(written).register_pending() == AS_WRITTEN
    more = CONFIG.replace("xres: 0.5", "xres: 1.0")
    (written / "config.yaml").write_text(more)
    stilt.Model(written).run(executor=executor)
    assert executor.asked == [AS_WRITTEN]
    assert [f"fake_{receptor.id}" for receptor in stilt.Model(written).receptors] == AS_WRITTEN
    path.write_text(DAY_FIRST + "11.01.2023 06:00,-111.85,40.77,5\n")
    with pytest.raises(UsageError, match=r"line 2, column 'time'"):
        stilt.Model(written).register_pending()


def test_another_time_format_registers_anew(written):
    (written / "receptors.csv").write_text(DAY_FIRST)
    stilt.Model(written, time_format="%m.%d.%Y %H:%M").register_pending()
    ids = stilt.Model(written, time_format="%d.%m.%Y %H:%M").register_pending()
    assert ids == stilt.Model(written).register_pending() == AS_WRITTEN


def test_receptors_from_elsewhere_are_stored_so_that_they_read_without_a_format(written, tmp_path):
    people = tmp_path / "people.csv"
    people.write_text(DAY_FIRST)
    model = stilt.Model(written, output_dir=tmp_path / "out", time_format="%d.%m.%Y %H:%M")
    assert model.register_pending(people) == AS_WRITTEN
    assert stilt.Model(tmp_path / "out").register_pending() == AS_WRITTEN
    arguments = ["register", str(written), "--receptors", str(people), "--time-format"]
    result = CliRunner().invoke(cli, [*arguments, "%d.%m.%Y %H:%M"])
    assert (result.exit_code, result.output) == (0, "Registered 1 simulation(s).\n")
    assert [f"fake_{receptor.id}" for receptor in stilt.Model(written).receptors] == AS_WRITTEN


def test_a_data_frame_runs_and_is_stored(tmp_path, faked):
    times = pd.to_datetime(["2023-01-01 06:00", "2023-01-02 06:00"])
    frame = pd.DataFrame({"time": times, "lat": 40.77, "lon": -111.85, "zagl": 5.0})
    model = stilt.Model(tmp_path / "case", receptors=frame, config=fakes.config())
    model.run(executor=Inline())
    assert model.status()["completed"] == 2
    assert list(stilt.Model(tmp_path / "case").receptors) == list(model.receptors)


def test_ambiguous_times_are_refused_in_selections_too(written):
    model = stilt.Model(written)
    model.register_pending()
    assert len(model.simulations.ids(time_range=("2023-01-01", "2023-01-02"))) == 2
    for ask in (model.simulations.ids, model.simulations.incomplete, model.trajectories.missing):
        with pytest.raises(UsageError, match=r"02\.01\.2023.*write it as YYYY-MM-DD"):
            ask(time_range=("2023-01-01", "02.01.2023"))


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"reason": "X"}, r"Unknown reason 'X': known are MISSING_MET_FILES, "),
        ({"footprint": "zz"}, r"Unknown footprint 'zz': known are default\."),
        ({"time_range": ("2023-01-02", "2023-01-01")}, r"2023-01-02 is after 2023-01-01: exchange"),
    ],
)
def test_filters_that_can_match_nothing_are_refused(written, selection, said):
    model = stilt.Model(written)
    model.register_pending()
    with pytest.raises(UsageError, match=said):
        model.simulations.ids(**selection)


def test_no_receptors_is_nothing_to_do(tmp_path, faked):
    model = stilt.Model(tmp_path / "case", [], fakes.config())
    assert model.register_pending() == []
    model.run(executor=Inline()).wait()


def test_missing_weather_is_named_before_anything_is_computed(written, faked, caplog):
    fakes.wish(faked, "no-weather", "010010")
    model = stilt.Model(written)

    class Watch(Inline):
        def start(self, project, sim_ids, **options):
            assert "fake_202301010010_-111.85_40.77_5: MISSING_MET_FILES" in caplog.text
            return super().start(project, sim_ids, **options)

    model.run(executor=Watch())
    status = model.status()
    assert (status["completed"], status["failed"]) == (1, 1)


def test_a_run_without_any_weather_starts_nothing(written, faked):
    """Neither backend nor workers are started, and each failure is recorded as ever."""

    class Unused(Inline):
        def start(self, project, sim_ids, **options):
            raise AssertionError("started")

    for time in ("010000", "010010"):
        fakes.wish(faked, "no-weather", time)
    model = stilt.Model(written)
    run = model.run(executor=Unused())
    assert run.reasons == {"MISSING_MET_FILES": 2}
    assert run.counts["failed"] == model.status()["failed"] == 2
    # A folder that another machine may have is left to that machine.
    elsewhere = Unused()
    elsewhere.on_this_machine = False
    with pytest.raises(AssertionError, match="started"):
        model.run(executor=elsewhere)


def test_a_file_of_receptors_that_a_person_wrote_is_kept_when_it_is_replaced(written, caplog):
    """Files that the program wrote itself are not kept: nothing of them is lost."""
    path = written / "receptors.csv"
    mine = "time,longitude,latitude,altitude\n# my week\n2023-07-15 01:00,-111.9,40.7,10\n"
    path.write_text(mine)
    given = [stilt.PointReceptor(f"2023-07-15 0{hour}:00", -111.8, 40.7, 20) for hour in (2, 3)]
    again = stilt.Model(written)
    assert len(again.register_pending(given[:1], scene_id="a")) == 1
    assert "receptors.csv listed other receptors and was replaced" in caplog.text
    assert path.with_name("receptors.csv.1").read_text() == mine
    again.register_pending(given[1:], scene_id="b")
    assert not path.with_name("receptors.csv.2").exists()
    before = path.read_bytes()
    assert again.register_pending([], scene_id="c") == []
    assert path.read_bytes() == before
    assert again.receptors == given[1:]


def test_a_run_takes_a_number_of_workers_and_refuses_what_is_no_backend(written, monkeypatch):
    model = stilt.Model(written)
    for wrong in ("local", 2, {"backend": "local"}):
        with pytest.raises(TypeError, match="executor is a backend, not "):
            model.run(wrong)
    with pytest.raises(UsageError, match="leave out n_workers"):
        model.run(executor=Inline(), n_workers=2)
    with pytest.raises(ValueError, match="n_workers: input should be greater"):
        model.run(n_workers=0)
    asked = []
    monkeypatch.setattr("stilt.model.get_executor", lambda given: asked.append(given) or Inline())
    assert model.run(n_workers=2).counts["complete"] == 2
    assert [given["n_workers"] for given in asked] == [2]


@pytest.mark.parametrize("query", ["", " ;", "-- nothing"])
def test_an_empty_query_is_refused_in_a_sentence(written, query):
    model = stilt.Model(written)
    model.register_pending()
    with pytest.raises(UsageError, match="The query is empty"):
        model.index.sql(query)


def test_a_configuration_that_a_person_wrote_is_kept_when_another_is_given(written, caplog):
    path = written / "config.yaml"
    mine = path.read_text()
    config = stilt.Model(written).config
    stilt.Model(written, config=config.with_changes(numpar=6)).register_pending()
    assert "config.yaml held another configuration and was replaced; the old one" in caplog.text
    assert path.with_name("config.yaml.1").read_text() == mine
    assert stilt.ModelConfig.from_yaml(path).numpar == 6
    stilt.Model(written, config=config.with_changes(numpar=7)).register_pending()
    path.write_text("numpar: [")
    stilt.Model(written, config=config.with_changes(numpar=8)).register_pending()
    assert path.with_name("config.yaml.2").read_text() == "numpar: ["
    assert not path.with_name("config.yaml.3").exists()


def test_a_configuration_that_is_edited_after_it_was_read_is_never_written_over(written):
    path = written / "config.yaml"
    model = stilt.Model(written)
    assert model.config.numpar == 5
    edited = path.read_text().replace("numpar: 5", "numpar: 50")
    path.write_text(edited)
    for use in (model.register_pending, lambda: model.run(executor=Inline()), model.store_inputs):
        with pytest.raises(UsageError, match=r"config\.yaml was changed after it was read: run"):
            use()
        assert path.read_text() == edited
    # A comment changes nothing.
    again = stilt.Model(written)
    assert again.config.numpar == 50
    path.write_text(f"# mine\n{edited}")
    again.register_pending()
    assert path.read_text() == f"# mine\n{edited}"


def test_a_relative_file_of_receptors_is_one_of_the_current_folder_or_the_project(
    written, tmp_path, monkeypatch
):
    for folder, minute in ((tmp_path, 10), (written, 20)):
        text = f"time,longitude,latitude,altitude\n2023-07-15 01:{minute},-111.9,40.7,10\n"
        (folder / "more.csv").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert stilt.Model(written, receptors="more.csv").receptors[0].time.minute == 10
    (tmp_path / "more.csv").unlink()
    assert stilt.Model(written, receptors="more.csv").receptors[0].time.minute == 20


def test_several_registrations_orphan_nothing(written):
    model = stilt.Model(written)
    first = model.register_pending(scene_id="a")
    second = model.register_pending(receptors=fakes.receptors(3, day=2), scene_id="b")
    assert set(first).isdisjoint(second)
    model = stilt.Model(written)
    assert sorted(model.pending()) == sorted(first + second)
    model.run(executor=Inline())
    assert model.status()["completed"] == 5
    assert {scene: c["completed"] for scene, c in model.scene_counts().items()} == {"a": 2, "b": 3}


@pytest.mark.parametrize(
    "form",
    [
        lambda r: r[0],
        lambda r: [r[0]],
        lambda r: (x for x in r[:1]),
        lambda r: ("2023-01-01 00:00", -111.85, 40.77, 5.0),
        lambda r: [("2023-01-01 00:00", -111.85, 40.77, 5.0)],
        lambda r: "receptors.csv",
    ],
)
def test_receptors_may_be_given_in_many_forms(written, form):
    (written / "receptors.csv").write_text("\n".join(RECEPTORS.splitlines()[:3]) + "\n")
    receptors = fakes.receptors(1)
    model = stilt.Model(written, form(receptors))
    assert list(model.receptors) == receptors
    assert model.receptors["202301010000_-111.85_40.77_5"] == receptors[0]
    assert model.receptors[:1] == receptors
    with pytest.raises(KeyError):
        model.receptors["202301020000_-111.85_40.77_5"]


@pytest.mark.parametrize("wrong", [3, {"time": 1}, [3], [("2023", 1, 2)]])
def test_other_receptors_are_a_type_error(tmp_path, wrong):
    with pytest.raises(TypeError):
        stilt.Model(tmp_path, wrong)


def test_wrong_arguments_are_said_in_one_sentence(tmp_path):
    with pytest.raises(TypeError, match="both a ModelConfig"):
        stilt.Model(tmp_path, config=fakes.config(), n_hours=-3)
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        stilt.Model(tmp_path).run()
    with pytest.raises(FileNotFoundError, match="No receptors available"):
        stilt.Model(tmp_path, config=fakes.config()).receptors  # noqa: B018
    with pytest.raises(UsageError, match="keeps its outputs beside it"):
        stilt.Model("s3://bucket/case", output_dir=tmp_path)
    with pytest.raises(
        UsageError, match=r"Unknown execution backend: 'nowhere'\. Supported: .*local"
    ):
        get_executor({"backend": "nowhere"})


def test_compute_root_comes_from_argument_then_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STILT_COMPUTE_ROOT", str(tmp_path / "env"))
    assert stilt.Model(tmp_path / "p").compute_root == tmp_path / "env"
    monkeypatch.setenv("HERE", str(tmp_path))
    assert stilt.Model(tmp_path / "p", compute_root="$HERE/arg").compute_root == tmp_path / "arg"
    monkeypatch.delenv("STILT_COMPUTE_ROOT")
    assert stilt.Model(tmp_path / "p").compute_root == tmp_path / "p/simulations/by-id"


def test_importing_the_names_of_the_model_loads_nothing_heavy():
    code = (
        "import stilt, sys; stilt.Model, stilt.Simulation, stilt.push_simulations;"
        "print([m for m in ('jax', 'prefect', 'matplotlib', 'xarray') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
