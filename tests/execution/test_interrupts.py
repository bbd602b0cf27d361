"""An interrupt stops a run wherever it comes, also where a library swallows it."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import duckdb
import pytest

from stilt.execution import run_batch
from stilt.interrupts import (
    interrupt_taken,
    interruptible,
    raise_if_interrupted,
    suppressed_interrupts_raised,
)
from stilt.project.database import Database

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def send(number):
    os.kill(os.getpid(), number)


def send_and_swallow(number):
    """What a library does that turns every exception into its own."""
    try:
        send(number)
    except KeyboardInterrupt:
        raise ValueError("Traceback (most recent call last): ...") from None


@SIGNALS
def test_a_signal_ends_the_block_and_the_handlers_are_as_before(number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interruptible():
        send(number)
    assert ([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.unraisablehook) == (
        before
    )
    raise_if_interrupted()


def test_tests_started_in_the_background_heed_ctrl_c_all_the_same():
    """A shell has its background jobs ignore SIGINT, and their children inherit that."""
    name = test_a_signal_ends_the_block_and_the_handlers_are_as_before.__name__
    tests = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$0\" \"$@\"",
         sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{name}"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout


@SIGNALS
def test_an_error_made_of_an_interrupt_is_an_interrupt_again(number):
    with (
        pytest.raises(KeyboardInterrupt) as raised,
        interruptible(),
        suppressed_interrupts_raised(),
    ):
        send_and_swallow(number)
    assert isinstance(raised.value.__cause__, ValueError)


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="other"), interruptible(), suppressed_interrupts_raised():
        raise ValueError("other")


def test_an_interrupt_that_is_acted_on_does_not_come_again():
    with interruptible():
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
        interrupt_taken()
        raise_if_interrupted()


def test_an_interrupt_lost_in_a_callback_of_the_garbage_collector_comes_again():
    code = """
        import gc, os, signal, time
        from stilt.interrupts import interruptible

        def callback(phase, info):
            if phase == "start" and not sent:
                sent.append(1)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.0)

        sent = []
        gc.callbacks.append(callback)
        try:
            with interruptible():
                gc.collect()
                time.sleep(30)
        except KeyboardInterrupt:
            print("stopped", len(sent))
    """
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("stopped 1\n", "")
    assert time.monotonic() - begun < 20


@SIGNALS
def test_a_batch_whose_transport_swallows_an_interrupt_is_pending_again(
    make_model, monkeypatch, number
):
    def swallowing(*arguments, **named):
        send_and_swallow(number)

    monkeypatch.setattr(sys.modules["stilt.transport"], "transport_rows", swallowing)
    model = make_model(3)
    ids = model.register_pending()
    with interruptible():
        summary = run_batch(str(model.output_root), ids)
    assert (summary.n_interrupted, summary.n_failed) == (3, 0)
    status = model.status()
    assert (status["pending"], status["failed"]) == (3, 0)


def test_a_query_that_swallows_an_interrupt_is_an_interrupt(make_model):
    model = make_model(1)
    model.register_pending()

    def interrupted(connection):
        raise duckdb.Error("Traceback (most recent call last):\n  ...\nKeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        Database(model.index.path).read(interrupted)
