"""The automatic twin of the guess page: what networks answer to its questions, in the files that people save."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from marey.atlas.guess import FOLDER, Question, QuestionSet
from marey.errors import MareyError, VideoError
from marey.findings.guesses import Guess, Guesses
from marey.findings.shown_back import for_verifier, responses_to
from marey.maximization.result import PreferredInput
from marey.maximization.result_folder import folder_names
from marey.network.network import Network
from marey.network.stream import Stream
from marey.network.unit import Unit
from marey.recording import Recording
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import load_clip


def check_verifiers(verifiers: Sequence[Network], recording: Recording, shown: Collection[Unit]) -> None:
    """Raise MareyError for a network that does not know all classes of the questions, and where there is no question.

    `shown` are the units that have a preferred input in the atlas.
    """
    scores = recording.summary["network"]["scores"]
    if verifiers and sum(unit.layer == scores for unit in shown) < 2:
        raise MareyError(
            "verifiers answer the questions of the guess page, which needs preferred inputs of two classes or more; "
            "make them with `marey maximize NET classes`, and name their folder with --preferred."
        )
    for one in verifiers:
        missing = sorted(set(recording.classes) - set(one.classes))
        if missing:
            raise MareyError(
                f"the verifier {one.name} has no class '{missing[0]}', which the guess page offers; name a network "
                f"with all classes of {recording.summary['network']['name']}."
            )


def twin_file(verifier: Network) -> str:
    """The name of the file with a network's answers."""
    return f"{folder_names([verifier.name])[0]}-{verifier.weights_hash[:8]}.json"


def answer_files(folder: Path, *, besides: Sequence[Network]) -> list[Path]:
    """The files with answers of networks in the folder of an atlas; the networks `besides` are left out."""
    names = {twin_file(one) for one in besides}
    return [path for path in sorted((folder / FOLDER).glob("*.json")) if path.name not in names]


def answered_before(folder: Path, *, besides: Sequence[Network]) -> list[str]:
    """The names of the networks whose answers are in the folder of an atlas; `besides` are left out."""
    names: list[str] = []
    for path in answer_files(folder, besides=besides):
        with suppress(MareyError):  # damaged
            names.append(Guesses.open(path).name)
    return names


def kept_guesses(found: QuestionSet, path: Path) -> Guesses | None:
    """What a network answered before to questions that are still asked; None where the file has nothing of the kind."""
    try:
        known = Guesses.open(path)
    except MareyError:  # not there, or damaged
        return None
    asked = {question.id for question in found.questions}
    answers = tuple(guess for guess in known.answers if guess.question in asked)
    if not answers or known.by != "network" or known.weights != found.weights:
        return None
    kept = replace(known, questions=found.id, answers=answers)
    if kept != known:
        kept.save(path)
    return kept


def network_guesses(verifier: Network, found: QuestionSet, recording: Recording, path: Path) -> Guesses:
    """The answers of a network, kept in a file; it is asked what it did not answer before.

    It is shown the same frames as people, and says which of the choices has the highest score. A clip that cannot be
    read again is left out.
    """
    kept = kept_guesses(found, path)
    known = {} if kept is None or kept.game != verifier.weights_hash else {one.question: one for one in kept.answers}
    cache = FlowCache()
    answers = []
    for question in found.questions:
        if question.id in known:
            answers.append(known[question.id])
            continue
        try:
            streams, frames = _shown(question, recording, cache)
        except VideoError:
            continue
        scores = responses_to(verifier, [for_verifier(verifier, streams, frames)], []).scores[0]
        offered = [verifier.classes.index(name) for name in question.choices]
        said = question.choices[int(np.argmax(scores[offered]))]
        unit = question.unit
        answers.append(
            Guess(question.id, question.kind, str(unit.unit), unit.name, question.right, question.choices, said)
        )
    if kept is not None and kept.answers == tuple(answers):
        return kept
    made = Guesses(
        found.id,
        found.network,
        found.weights,
        "network",
        verifier.name,
        verifier.weights_hash,
        verifier.weights_hash != found.weights,
        tuple(answers),
    )
    made.save(path)
    return made


def _shown(question: Question, recording: Recording, cache: FlowCache) -> tuple[Sequence[Stream], dict[str, Tensor]]:
    """The streams and the frames {stream: (1 channel time height width)} of a question."""
    if question.driving is not None:
        response = question.driving.response
        flow = recording.summary["settings"]["flow"]
        loaded = load_clip(response.clip, recording.streams, flow=flow, cache=cache)
        window = loaded.window(recording.streams, response.start_frame)
        return recording.streams, {name: video[None] for name, video in window.items()}
    shown = question.unit.preferred
    assert shown is not None  # what a question that is no clip shows
    result = PreferredInput.open(shown.folder)
    return result.streams, result.inputs(result.slowness.index(shown.best.slowness))
