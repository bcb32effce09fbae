"""What every unit answers to every clip of a data set, on disk: record, open, merge."""

from marey.recording.answers import put_maxima
from marey.recording.exemplars import Exemplar, exemplars
from marey.recording.merge import merged
from marey.recording.record import record
from marey.recording.recording import Recording, Response

__all__ = ["Exemplar", "Recording", "Response", "exemplars", "merged", "put_maxima", "record"]
