"""What `Stream.to_network` made, brought back by another way: nothing of a clip may be lost or exchanged."""

import torch
from einops import rearrange
from torch import Tensor

from marey.network.channels import per_channel, physical_channels
from marey.network.stream import Stream


def physical(stream: Stream, values: Tensor, *, count: int) -> Tensor:
    """The physical clips behind the network's input `values` of `count` clips; frames seen twice are averaged."""
    axes = {"n": count, "c": 1 if stream.order == "gray" else stream.channels}
    pattern = "n c t h w" if "t" in stream.layout else "n c 1 h w"
    if stream.windows is not None:
        axes |= {"s": stream.windows.count, "l": stream.windows.length}
        pattern = "n c (s l) h w"
    named = stream.layout.replace("(", " ").replace(")", " ").split()
    known = {axis: size for axis, size in axes.items() if axis in named}
    clips = rearrange(values, f"{stream.layout} -> {pattern}", **known)
    if stream.windows is not None and stream.windows.step < stream.windows.length:
        index = torch.tensor(stream.windows.index, device=clips.device)
        total = clips.new_zeros(count, axes["c"], stream.frames, *clips.shape[3:]).index_add(2, index, clips)
        seen = torch.bincount(index, minlength=stream.frames).to(clips).view(1, 1, -1, 1, 1)
        clips = total / seen
    mean, std = (per_channel(values, clips.dtype, clips.device) for values in (stream.mean, stream.std))
    clips = clips if std is None else clips * std
    return physical_channels(clips if mean is None else clips + mean, stream.ordered)
