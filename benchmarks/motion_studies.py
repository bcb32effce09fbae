"""How fast motion studies are made, and how far flow estimators are from their exact flow.

    python benchmarks/motion_studies.py [--clips 3] [--frames 8]

Pixels are the actor's, or the backdrop's within 3 px of the actor, or all others; only those whose point can be seen in
the next frame count. The last column is the mean difference (of 255) of the actor in a frame and in the next one warped
back by the flow, away from the borders of parts.
"""

import argparse
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from marey.studies import StudyClip, study_classes, study_clip, study_clips
from marey.video.flow.methods import METHODS, optical_flow


def one_clip(number: int) -> float:
    """Seconds of the processor that a plain clip takes, by number."""
    cv2.setNumThreads(1)
    begun = time.process_time()
    classes = study_classes()
    study_clip(classes[number % len(classes)], 1, number // len(classes))
    return time.process_time() - begun


def speed(count: int = 480) -> str:
    """Clips per second on two processes, and the processor time of each."""
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(one_clip, range(48)))
        begun = time.perf_counter()
        seconds = list(pool.map(one_clip, range(count), chunksize=8))
        wall = time.perf_counter() - begun
    return (
        f"{count / wall:.0f} clips/s on two processes; {1000 * np.mean(seconds):.1f} ms of one core per clip, "
        f"which is {2 / np.mean(seconds):.0f} clips/s on two free cores"
    )


def near(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Pixels (time height width) within `reach` of the mask."""
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return np.stack([cv2.dilate(one.astype(np.uint8), kernel) for one in mask]) > 0


def borders(parts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (time height width) beside those of another part."""
    kernel = np.ones((3, 3), np.uint8)
    return np.stack([cv2.dilate(one, kernel) != cv2.erode(one, kernel) for one in parts])


def warped(later: NDArray[np.float32], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """The next frame as it looked before it moved by the flow (2 height width)."""
    y, x = np.mgrid[: later.shape[0], : later.shape[1]].astype(np.float32)
    return cv2.remap(later, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def errors(clip: StudyClip, flow: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """Endpoint errors on actor, near and far backdrop, and the difference of the warped actor."""
    seen, actor = ~clip.occluded, clip.mask[:-1]
    around = near(actor, 3) & ~actor
    distance = np.hypot(*(flow - clip.flow))
    edge = borders(clip.parts)
    later = np.stack([warped(edge[k + 1].astype(np.float32), clip.flow[:, k]) for k in range(len(seen))])
    inside = seen & actor & ~edge[:-1] & (later == 0)
    frames = clip.frames.astype(np.float32)
    unlike = np.stack([np.abs(warped(frames[k + 1], flow[:, k]) - frames[k]).mean(-1) for k in range(len(seen))])
    groups = (seen & actor, seen & around, seen & ~actor & ~around)
    means = [float(distance[group].mean()) for group in groups]
    return means[0], means[1], means[2], float(unlike[inside].mean())


def main() -> None:
    """Print the speed, then a table for plain and natural clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--frames", type=int, default=8)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(speed())
    for difficulty in ("plain", "natural"):
        rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
        for clip in study_clips(options.clips, 1, frames=options.frames, difficulty=difficulty):
            rows["exact"].append(errors(clip, clip.flow))
            for method in METHODS:
                flow = optical_flow(torch.from_numpy(clip.frames), method=method, bound=None).numpy()
                rows[method].append(errors(clip, flow.transpose(1, 0, 2, 3)))
        print(f"\n{difficulty}: {len(rows['exact'])} clips of {options.frames} frames")
        print("| flow | actor, px | around it, px | elsewhere, px | warped actor, of 255 |\n|---|---|---|---|---|")
        for method, found in rows.items():
            actor, around, far, unlike = np.nanmean(found, axis=0)
            print(f"| {method} | {actor:.3f} | {around:.3f} | {far:.3f} | {unlike:.2f} |")


if __name__ == "__main__":
    main()
