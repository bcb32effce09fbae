"""Read videos and folders of frame images, as frames, as clips, and as the inputs of a network.

Frames are uint8 (time height width channel), RGB, upright and in square pixels. Seconds count from the first frame.

- `probe`: size, rate and length.
- `read_video`: every frame between two times.
- `read_frames`: the frames nearest to given times.
- `frames_between`: the same frames as `read_video`, one by one, each converted to a picture only when it is asked for.
- `load_clip`, `load_clips`: all of a `Clip` in memory with its optical flow, from which windows are cut.
- `stream_inputs`: one window of a clip as the inputs of a network.

All functions take a folder of images like a video, pass over damaged packets, and raise VideoError for a file that
cannot be used or that goes beyond `Limits`.

>>> from marey.video.read import read_video
>>> video = read_video("walk.mp4", start_seconds=1.0, stop_seconds=2.0)  # doctest: +SKIP
>>> video.frames.shape, video.rate  # doctest: +SKIP
(torch.Size([25, 240, 320, 3]), 25.0)
"""

from marey.video.limits import Limits
from marey.video.read.clip import Clip, LoadedClip
from marey.video.read.clips import load_clip, load_clips, stream_inputs
from marey.video.read.decode import Video, VideoInfo, frames_between, probe, read_frames, read_video

__all__ = [
    "Clip",
    "Limits",
    "LoadedClip",
    "Video",
    "VideoInfo",
    "frames_between",
    "load_clip",
    "load_clips",
    "probe",
    "read_frames",
    "read_video",
    "stream_inputs",
]
