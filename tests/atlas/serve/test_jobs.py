"""One task at a time, a limited queue, and nothing left of what is cancelled."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marey.atlas.serve import jobs as queue
from marey.atlas.serve.jobs import Job, Jobs, QueueFullError
from marey.atlas.serve.told import ExplainClip, MaximizeUnit, Step
from marey.maximization.recipe import Recipe
from marey.video.read.clips import Clip

from .conftest import Played  # type: ignore[import-not-found]


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def _unit(number: int) -> MaximizeUnit:
    return MaximizeUnit(f"fc6:{number}", Recipe())


def _upload(folder: Path) -> ExplainClip:
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(b"clip")
    return ExplainClip(Clip(folder / "clip.mp4"), "mine.mp4", folder, None)


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def jobs(played: Played) -> Iterator[Jobs]:
    made = Jobs(played.run)
    yield made
    made.close()


def _held(jobs: Jobs, played: Played) -> Job:
    """A job that runs until it is stopped."""
    played.holds = True
    job = jobs.add(_unit(0))
    _until(lambda: job.state == "running")
    return job


def test_tasks_are_done_in_order(jobs: Jobs, played: Played) -> None:
    first = _held(jobs, played)
    others = [jobs.add(_unit(number)) for number in (1, 2)]
    assert [jobs.before(job) for job in others] == [1, 2]
    played.holds = False
    _until(lambda: all(job.ended for job in (first, *others)))
    assert [task.unit for task in played.done] == ["fc6:0", "fc6:1", "fc6:2"]
    assert {job.state for job in (first, *others)} == {"done"}


def test_who_asks_for_the_same_unit_gets_the_same_job(jobs: Jobs, played: Played) -> None:
    running = _held(jobs, played)
    waiting = jobs.add(_unit(1))
    assert jobs.add(_unit(0)) is running and jobs.add(_unit(1)) is waiting
    assert jobs.of_unit("fc6:1") is waiting and jobs.of_unit("fc6:2") is None


def test_the_queue_is_limited_and_a_refused_upload_is_removed(jobs: Jobs, played: Played, tmp_path: Path) -> None:
    _held(jobs, played)
    for number in range(queue.WAITING):
        jobs.add(_unit(number + 1))
    assert jobs.full
    with pytest.raises(QueueFullError, match="tasks are waiting already; try again"):
        jobs.add(_upload(tmp_path / "upload"))
    assert not (tmp_path / "upload").exists()


def test_what_waits_and_what_runs_can_be_cancelled_and_uploads_go(jobs: Jobs, played: Played, tmp_path: Path) -> None:
    running = _held(jobs, played)
    waiting = jobs.add(_upload(tmp_path / "upload"))
    jobs.cancel(waiting)
    assert waiting.state == "cancelled" and not (tmp_path / "upload").exists()
    jobs.cancel(running)
    _until(lambda: running.ended)
    assert running.state == "cancelled" and not played.done
    jobs.cancel(running)  # once more changes nothing
    played.holds = False
    after = jobs.add(_unit(1))
    _until(lambda: after.ended)
    assert after.state == "done"


def test_a_task_that_takes_too_long_is_ended(jobs: Jobs, played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAXIMIZE_SECONDS", 0.05)
    job = _held(jobs, played)
    _until(lambda: job.ended)
    assert (job.state, job.line) == ("failed", "it took longer than 0.05 s, and was ended.")


def test_a_task_that_fails_says_why_and_the_next_one_is_done(jobs: Jobs, played: Played, tmp_path: Path) -> None:
    played.fails = "mine.mp4 cannot be read."
    job = jobs.add(_upload(tmp_path / "upload"))
    _until(lambda: job.ended)
    assert (job.state, job.line) == ("failed", "mine.mp4 cannot be read.")
    assert not (tmp_path / "upload").exists()
    played.fails = ""
    after = jobs.add(_unit(1))
    _until(lambda: after.ended)
    assert after.state == "done"


def test_a_process_that_cannot_start_is_told() -> None:
    def run(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    made = Jobs(run)
    job = made.add(_unit(0))
    _until(lambda: job.ended)
    made.close()
    assert job.line == "it cannot be computed here: Cannot allocate memory."


def test_old_jobs_are_forgotten(jobs: Jobs) -> None:
    made = []
    for number in range(queue.KEPT + 3):
        made.append(jobs.add(_unit(number)))
        _until(lambda: made[-1].ended)
    assert jobs.find(made[0].id) is None and jobs.find(made[-1].id) is made[-1]


def test_the_end_of_the_server_ends_all(played: Played, tmp_path: Path) -> None:
    jobs = Jobs(played.run)
    running = _held(jobs, played)
    waiting = jobs.add(_upload(tmp_path / "upload"))
    jobs.close()
    assert running.state == waiting.state == "cancelled"
    assert not (tmp_path / "upload").exists()


def test_the_time_left_is_estimated_from_the_steps_of_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(queue.time, "monotonic", lambda: now)
    job = Job(_unit(0))
    job.take(Step("drawing", 5, 10))
    assert job.seconds_left is None
    now = 104.0
    job.take(Step("drawing", 7, 10))
    assert job.seconds_left == pytest.approx(6.0)
    job.take(Step("writing", 0, 2))
    assert job.seconds_left is None
