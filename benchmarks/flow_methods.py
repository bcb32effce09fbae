"""Speed of the flow methods, their distance from TV-L1 in its defaults, and how well they explain the next frame.

    python benchmarks/flow_methods.py FOLDER [--pairs 30] [--short-side 112]

FOLDER is searched for videos. The methods take turns on every pair of frames, so that all see the same load; time is
that of the processor, on one thread.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from marey.errors import VideoError
from marey.streams import rgb_frames
from marey.video.clips import Clip, load_clip, resized_size
from marey.video.flow import METHODS, optical_flow


def pairs_of_frames(folder: Path, *, count: int, short_side: int) -> list[Tensor]:
    """Pairs of neighbors (2 height width channel) from the middle of evenly picked videos."""
    videos = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in {".avi", ".mp4", ".mkv", ".webm", ".mov"}
    )
    stream = rgb_frames(2, size=short_side)
    pairs = []
    for video in videos[:: max(1, len(videos) // count)][:count]:
        try:
            loaded = load_clip(Clip(video), [stream])
        except VideoError as error:
            print(error)
            continue
        frames = loaded.pictures[resized_size(loaded.source_size, stream)]
        pairs.append(frames[len(frames) // 2 : len(frames) // 2 + 2])
    return [pair for pair in pairs if len(pair) == 2]


def unexplained(pair: Tensor, field: Tensor) -> float:
    """Mean gray difference (of 255) of the first frame and the second one warped back by the flow, without borders."""
    before, after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in pair.numpy())
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]].astype(np.float32)
    u, v = field.numpy()
    warped = cv2.remap(after, columns + u, rows + v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.abs(warped - before)[8:-8, 8:-8].mean())


def main() -> None:
    """Print one row for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--short-side", type=int, default=112)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = pairs_of_frames(options.folder, count=options.pairs, short_side=options.short_side)
    if not pairs:
        parser.error(f"no video with two frames under '{options.folder}'")
    seconds = dict.fromkeys(METHODS, 0.0)
    fields: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    for pair in pairs:
        for method in METHODS:
            begun = time.process_time()
            fields[method].append(optical_flow(pair, method=method)[0])
            seconds[method] += time.process_time() - begun
    still = np.mean(
        [unexplained(pair, torch.zeros_like(field)) for pair, field in zip(pairs, fields["tvl1"], strict=True)]
    )
    size = np.mean([field.norm(dim=0).mean() for field in fields["tvl1"]])
    print(f"{len(pairs)} pairs of {options.short_side} px short side, OpenCV {cv2.__version__}, one thread;")
    print(f"mean flow of tvl1 {size:.2f} px, gray difference without flow {still:.2f}\n")
    print("| method | ms per field | times as fast | px from tvl1 | gray difference |\n|---|---|---|---|---|")
    for method in METHODS:
        apart = np.mean([(a - b).norm(dim=0).mean() for a, b in zip(fields[method], fields["tvl1"], strict=True)])
        left = np.mean([unexplained(pair, field) for pair, field in zip(pairs, fields[method], strict=True)])
        ratio = seconds["tvl1"] / seconds[method]
        print(f"| {method} | {1000 * seconds[method] / len(pairs):.1f} | {ratio:.1f} | {apart:.2f} | {left:.2f} |")


if __name__ == "__main__":
    main()
