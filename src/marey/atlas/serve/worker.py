"""The server's side of the process that computes: started when needed, killed to cancel, started again."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from marey.atlas.serve.bench import Bench, work
from marey.atlas.serve.told import Failed, Finished, Step, Task
from marey.errors import MareyError


class Stopped(Exception):
    """A task was cancelled, or took too long; the message says which."""


class Worker:
    """A process with the network in it, which can be killed at any moment: what is finished is on disk or here."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def run(self, task: Task, tell: Callable[[Step], None], stop: Callable[[], str | None]) -> Finished:
        """Do a task, and return what came out; Stopped as soon as `stop` gives a reason, MareyError where it fails."""
        connection = self._started()
        connection.send(task)
        while True:
            reason = stop()
            if reason is not None:
                self.close()
                raise Stopped(reason)
            try:
                message = connection.recv() if connection.poll(0.1) else None
            except (EOFError, OSError):
                self.close()
                raise MareyError(
                    "the process that computed this ended: memory may have run out; the server's terminal may say more."
                ) from None
            if isinstance(message, Finished):
                return message
            if isinstance(message, Failed):
                raise MareyError(message.line)
            if isinstance(message, Step):
                tell(message)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _started(self) -> Connection:
        """The connection to the process, which is started where there is none."""
        if self._connection is None or self._process is None or not self._process.is_alive():
            self.close()
            context = multiprocessing.get_context("spawn")  # a fork would copy the locks of the server's threads
            self._connection, other = context.Pipe()
            self._process = context.Process(target=work, args=(other, self._bench), name="marey-bench", daemon=True)
            self._process.start()
            other.close()  # so that its end is seen here
        return self._connection
