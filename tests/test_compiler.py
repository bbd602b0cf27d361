import subprocess
import sys

from stilt.compiler import with_options

_USED_BEFORE = """
import logging, os
logging.basicConfig()
import jax.numpy as jnp
jnp.ones(3).block_until_ready()
import stilt.transport
print("FLAGS", os.environ.get("XLA_FLAGS", ""))
"""
_IMPORTED_BEFORE = """
import os
import jax
import stilt.transport
import jax.numpy as jnp
print("FLAGS", os.environ["XLA_FLAGS"], float(jnp.ones(3).sum()))
"""


def _run(script: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"JAX_PLATFORMS": "cpu", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
    )
    return done.stdout, done.stderr


def test_flags_of_the_user_are_kept_and_added_to_once():
    flags = with_options("--xla_dump_to=here")
    assert flags.startswith("--xla_dump_to=here --xla_backend_extra_options=")
    assert with_options(flags) == flags


def test_options_chosen_by_the_user_stay():
    options = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion=false"
    width = "--xla_cpu_prefer_vector_width=256"
    assert with_options(f"{options} {width}").startswith(f"{options} {width} --xla_gpu")
    assert with_options(options).startswith(f"{options} --xla_cpu_prefer_vector_width=512")
    graphs = "--xla_gpu_enable_command_buffer="
    assert with_options(graphs).count(graphs) == 1
    assert width in with_options(width)


def test_importing_jax_first_is_early_enough():
    out, _ = _run(_IMPORTED_BEFORE)
    assert "small_while_loop" in out
    assert out.rstrip().endswith("3.0")


def test_options_that_come_too_late_are_said_and_not_claimed():
    out, err = _run(_USED_BEFORE)
    assert out.strip() == "FLAGS"
    assert "import stilt.transport first" in err
