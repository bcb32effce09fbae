"""The process that computes: it holds the network, does one task at a time, and can be killed at any moment."""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from marey.atlas.serve.explaining import explained
from marey.atlas.serve.made import MadeAtlas
from marey.atlas.serve.maximizing import maximized
from marey.atlas.serve.told import Failed, Finished, MaximizeUnit, Step, Task
from marey.errors import MareyError
from marey.families.loading import load
from marey.network.network import Network
from marey.recording import Recording


@dataclass(frozen=True)
class Bench:
    """What tasks are done with.

    net, device
        names of the network and of the device it computes on.
    uploads
        the folder in which uploaded clips lie.
    """

    made: MadeAtlas
    net: str
    device: str
    uploads: Path

    @cached_property
    def network(self) -> Network:
        """The network, loaded when it is first needed."""
        network = load(self.net)
        network.module.to(self.device)
        return network

    @cached_property
    def recording(self) -> Recording | None:
        """What the atlas was made from; None where it is gone."""
        return Recording.open(self.made.recorded) if self.made.recorded.exists() else None

    def do(self, task: Task, tell: Callable[[Step], None]) -> Finished:
        """Do a task; MareyError where it cannot be done."""
        tell(Step("loading the network", 0, None))
        network = self.network
        os.chdir(self.made.base)  # after the network, whose name may be relative to where the server was started
        if isinstance(task, MaximizeUnit):
            maximized(task, network=network, recording=self.recording, made=self.made, tell=tell)
            return Finished()
        return Finished(explained(task, network=network, recording=self.recording, tell=tell))


def work(connection: Connection, bench: Bench) -> None:
    """Do the tasks that come through a connection until it ends; what it was for goes then, uploads too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    tasks: SimpleQueue[Task] = SimpleQueue()

    def read() -> None:
        while True:
            try:
                tasks.put(connection.recv())
            except (EOFError, OSError):  # the server is gone
                shutil.rmtree(bench.uploads, ignore_errors=True)
                os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        task = tasks.get()
        try:
            finished = bench.do(task, connection.send)
        except MareyError as error:
            connection.send(Failed(str(error)))
        else:
            connection.send(finished)
