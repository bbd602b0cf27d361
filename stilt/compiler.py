"""Options of XLA, JAX's compiler, for the transport.

Nothing here imports JAX: it reads ``XLA_FLAGS`` from the environment when it first computes.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "XLA_FLAGS"

_FLAG = "--xla_backend_extra_options"
_OPTIONS = {
    # A loop whose arrays are smaller than this becomes one function. Otherwise each operation in
    # it is started by itself, which for blocks of particles takes longer than the operation.
    "xla_cpu_small_while_loop_byte_threshold": str(10**15),
    # What several results share is computed once.
    "xla_cpu_use_multi_output_fusion": "true",
}

# Vectors as long as the processor has; LLVM stops at half of AVX-512 by itself.
_WIDTH_FLAG = "--xla_cpu_prefer_vector_width"
_WIDTH_BITS = 512

# Loops and branches that depend on the particles are run by the GPU itself. Otherwise the host
# waits for each answer before it starts the next operation.
_GRAPH_FLAG = "--xla_gpu_enable_command_buffer"
_GRAPHS = "+WHILE,+CONDITIONAL"


def with_options(flags: str) -> str:
    """Return XLA flags with the transport's added, unless they choose such options themselves."""
    options = ",".join(f"{name}={value}" for name, value in _OPTIONS.items())
    added = {_FLAG: options, _WIDTH_FLAG: str(_WIDTH_BITS), _GRAPH_FLAG: _GRAPHS}
    wanted = [f"{flag}={value}" for flag, value in added.items() if flag not in flags]
    return " ".join([flags, *wanted]).strip()


def request_options() -> None:
    """Have XLA compile with the transport's options in this process, which must be ours.

    Where JAX has computed already it is too late; then nothing is changed, and
    :func:`options_in_force` returns False.
    """
    flags = os.environ.get(VARIABLE, "")
    if not _in_use():
        os.environ[VARIABLE] = with_options(flags)


def options_in_force() -> bool:
    """Return whether XLA compiles with the transport's options in this process."""
    flags = os.environ.get(VARIABLE, "")
    return with_options(flags) == flags


def _in_use() -> bool:
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()
