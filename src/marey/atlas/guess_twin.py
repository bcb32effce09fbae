"""The automatic twin of the guess page: what networks answer to its questions, in the files that people save."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from marey.atlas.guess import Question, QuestionSet
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


def network_guesses(verifier: Network, found: QuestionSet, recording: Recording, path: Path) -> Guesses:
    """The answers of a network, read from a file where it answered the same questions before, else written to it.

    It is shown the same frames as people, and says which of the choices has the highest score. A clip that cannot be
    read again is left out.
    """
    if path.is_file():
        try:
            known = Guesses.open(path)
            asked = (found.id, verifier.weights_hash, len(found.questions))
            if (known.questions, known.game, len(known.answers)) == asked:
                return known
        except MareyError:  # damaged: it is written again
            pass
    cache = FlowCache()
    answers = []
    for question in found.questions:
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
