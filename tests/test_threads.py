"""Work that nobody waits for ends soon, and a process does not end in the midst of it."""

import subprocess
import sys
import threading
import time

import pytest

from marey.threads import CLIP_THREADS, Stopped, Work, clip_threads, stop_if_told


def test_work_that_is_stopped_ends_where_it_asks() -> None:
    work = Work()
    with work:
        stop_if_told()
        work.stop()
        with pytest.raises(Stopped):
            stop_if_told()
    stop_if_told()  # outside nobody is told


def test_only_the_thread_whose_work_it_is_is_told() -> None:
    mine, told = Work(), threading.Event()

    def other() -> None:
        with Work():
            stop_if_told()
            told.set()

    with mine:
        mine.stop()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert told.is_set()


def test_all_threads_have_begun_when_the_block_does_and_torch_has_its_number_again() -> None:
    import torch

    before = torch.get_num_threads()
    with clip_threads(3):
        begun = [thread for thread in threading.enumerate() if thread.name.startswith(CLIP_THREADS)]
        assert len(begun) == 3 and torch.get_num_threads() == before
    with pytest.raises(KeyboardInterrupt), clip_threads(2):
        raise KeyboardInterrupt


def test_threads_that_load_clips_end_in_the_midst_when_nobody_waits_any_more() -> None:
    midst = threading.Event()

    def load() -> None:
        midst.set()
        while True:
            time.sleep(0.01)
            stop_if_told()

    with clip_threads(2) as pool:
        loading, waiting = pool.submit(load), [pool.submit(load) for _ in range(5)]
        assert midst.wait(5)
    assert isinstance(loading.exception(), Stopped)
    assert any(one.cancelled() for one in waiting)


_SCRIPT = """
import threading, time
from marey.threads import Work, stop_if_told

begun = threading.Event()

def frames():
    with Work():
        try:
            begun.set()
            while True:
                time.sleep(0.05)
                stop_if_told()
        finally:
            print("ended", flush=True)

threading.Thread(target=frames, daemon=True).start()
begun.wait()
raise KeyError("a bug of the script")
"""


def test_a_script_that_breaks_waits_for_the_frame_that_a_thread_is_busy_with() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == "ended\n"
    assert "a bug of the script" in done.stderr


_MANY = """
import threading, time
from marey.threads import CLIP_THREADS, Stopped, Work, stop_if_told

begun = threading.Event()

def clips():
    for _ in range(1000):
        try:
            with Work():
                begun.set()
                for _ in range(20):
                    time.sleep(0.05)
                    stop_if_told()
        except Stopped:
            pass

threading.Thread(target=clips, daemon=True).start()
begun.wait()
print("ends", flush=True)
"""


def test_work_that_begins_while_the_interpreter_ends_is_stopped_too() -> None:
    with subprocess.Popen([sys.executable, "-c", _MANY], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None and script.stdout.readline() == "ends\n"
        begun = time.monotonic()
        assert script.wait(30) == 0
    assert time.monotonic() - begun < 5
