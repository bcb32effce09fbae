"""What every unit responds to every clip of a data set, on disk: record, open, merge."""

from marey.recording.exemplars import Exemplar, exemplars
from marey.recording.measured import measure_maxima
from marey.recording.merge import merged
from marey.recording.record import record
from marey.recording.recording import Recording, Response
from marey.recording.responses import RelativeResponse, clip_responses, strongest_responses
from marey.recording.same_weights import check_same_weights

__all__ = [
    "Exemplar",
    "Recording",
    "RelativeResponse",
    "Response",
    "check_same_weights",
    "clip_responses",
    "exemplars",
    "measure_maxima",
    "merged",
    "record",
    "strongest_responses",
]
