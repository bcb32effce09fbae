"""What every unit responds to every clip of a data set, on disk: record, open, merge."""

from marey.recording.measured import measure_maxima
from marey.recording.read.exemplars import Exemplar, exemplars
from marey.recording.read.heat import heat
from marey.recording.read.recording import Recording
from marey.recording.read.response import Response
from marey.recording.read.same_weights import check_same_weights
from marey.recording.responses import RelativeResponse, clip_responses, strongest_responses
from marey.recording.write.merged import merged
from marey.recording.write.record import record
from marey.recording.write.settings import RecordingSettings

__all__ = [
    "Exemplar",
    "Recording",
    "RecordingSettings",
    "RelativeResponse",
    "Response",
    "check_same_weights",
    "clip_responses",
    "exemplars",
    "heat",
    "measure_maxima",
    "merged",
    "record",
    "strongest_responses",
]
