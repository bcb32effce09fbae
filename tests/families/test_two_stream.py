"""The two-stream network: the published shapes, how the streams meet, and the inputs it fits."""

import copy
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from marey.errors import NetworkError
from marey.families.two_stream import TwoStream
from marey.network.network import Network


def small(classes: int = 3, **options: Any) -> TwoStream:
    torch.manual_seed(0)
    given = {"size": 32, "width": 1 / 16, "frames": 3, "stack": 4, "step": 2} | options
    return TwoStream(classes, **given).eval()


def inputs_for(network: TwoStream, *, clips: int = 2, size: int | None = None) -> list[Tensor]:
    side = network.config["size"] if size is None else size
    channels = {"rgb": 3, "flow": 2 * network.config["stack"]}
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(clips, channels[name], network.config["frames"], side, side, generator=generator)
        for name in network.streams
    ]


def test_the_default_network_has_the_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        network = TwoStream(101)
    vgg_16 = 14_714_688  # the thirteen convolutions of VGG-16 on RGB
    motion = vgg_16 + 64 * (20 - 3) * 3 * 3  # ten flow fields of u and v instead of three colors
    fusion = 1024 * 512 * 3 * 3 * 3 + 512
    fc6, fc7, scores = 7 * 7 * 512 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 101 + 101
    counted = {
        name: sum(values.numel() for values in part.parameters())
        for name, part in network.named_children()
        if any(True for _ in part.parameters())
    }
    assert counted == {"rgb": vgg_16, "flow": motion, "fusion": fusion, "fc6": fc6, "fc7": fc7, "scores": scores}
    assert sum(counted.values()) == 163_555_109


def test_layers_are_called_as_in_the_papers() -> None:
    with torch.device("meta"):
        network = TwoStream(101)
    expected: list[str] = []
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        expected += [f"pool{block - 1}"] if block > 1 else []
        expected += [f"{kind}{block}_{place}" for place in range(1, count + 1) for kind in ("conv", "relu")]
    assert [name for name, _ in network.rgb.named_children()] == expected
    assert [name for name, _ in network.flow.named_children()] == expected
    assert [name for name, _ in network.fusion.named_children()] == ["conv5", "relu5", "pool5"]
    top = [name for name, _ in network.named_children()][3:]
    assert top == ["flatten", "fc6", "relu6", "dropout6", "fc7", "relu7", "dropout7", "scores"]
    assert network.get_submodule("fusion.conv5").weight.shape == (512, 1024, 3, 3, 3)
    assert network.get_submodule("fusion.pool5").kernel_size == (5, 2, 2)
    assert network.get_submodule("flow.conv1_1").weight.shape == (64, 20, 3, 3)


def test_fusion_starts_as_a_blurred_sum_of_a_quarter_appearance_and_three_quarters_motion() -> None:
    fusion = small().fusion
    channels = fusion.conv5.out_channels
    appearance, motion = torch.rand(1, channels, 1, 1, 1), torch.rand(1, channels, 1, 1, 1)
    constant = torch.cat((appearance, motion), dim=1).expand(-1, -1, 5, 5, 5)
    inside = fusion.conv5(constant)[:, :, 1:-1, 1:-1, 1:-1]
    torch.testing.assert_close(inside, (0.25 * appearance + 0.75 * motion).expand_as(inside))
    impulse = torch.zeros(1, 2 * channels, 5, 5, 5)
    impulse[0, 7, 2, 2, 2] = 1
    response = fusion.conv5(impulse)[0]
    assert response[:7].abs().max() == 0 and response[8:].abs().max() == 0
    assert response[7].argmax() == 2 * 25 + 2 * 5 + 2  # strongest where the impulse was
    torch.testing.assert_close(response[7], response[7].permute(2, 0, 1))  # the same in time, height and width
    torch.testing.assert_close(response[7], response[7].flip(0, 1, 2))


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_fusion_stands_at_the_depth_asked_for_and_the_blocks_above_run_on_fused_maps(depth: int) -> None:
    network = small(fusion=f"conv{depth}")
    names = {name for name, _ in network.named_modules()}
    assert f"fusion.conv{depth}" in names
    assert {f"conv{block}_1" for block in range(1, 6) if f"rgb.conv{block}_1" in names} == {
        f"conv{block}_1" for block in range(1, depth + 1)
    }
    assert {block for block in range(1, 6) if f"fused.conv{block}_1" in names} == set(range(depth + 1, 6))
    assert network(*inputs_for(network)).shape == (2, 3)


@pytest.mark.parametrize("fusion", ["conv2", "conv5", "late"])
def test_both_streams_reach_the_scores(fusion: str) -> None:
    network = small(fusion=fusion)
    inputs = [values.requires_grad_() for values in inputs_for(network)]
    network(*inputs).sum().backward()
    for values in inputs:
        assert values.grad is not None
        assert (values.grad.abs().amax((1, 3, 4)) > 0).all()  # every frame of every clip


def test_clips_of_a_batch_do_not_mix() -> None:
    for fusion in ("conv3", "conv5", "late"):
        network = small(fusion=fusion)
        inputs = inputs_for(network, clips=3)
        alone = torch.cat([network(*(values[i : i + 1] for values in inputs)) for i in range(3)])
        torch.testing.assert_close(network(*inputs), alone)


def test_late_fusion_is_the_mean_of_two_single_stream_networks() -> None:
    late = small(fusion="late")
    rgb, flow = small(streams=("rgb",)), small(streams=("flow",))
    for single in (rgb, flow):
        single.load_state_dict(
            {name: values for name, values in late.state_dict().items() if name in single.state_dict()}
        )
    appearance, motion = inputs_for(late)
    torch.testing.assert_close(late(appearance, motion), (rgb(appearance) + flow(motion)) / 2)
    assert late.forward_all(appearance, motion).keys() == {"fused", "rgb", "flow"}
    torch.testing.assert_close(late.forward_all(appearance, motion)["flow"], flow(motion))


def test_a_single_stream_sees_the_strongest_moment_whatever_the_order() -> None:
    network = small(streams=("flow",))
    (motion,) = inputs_for(network)
    torch.testing.assert_close(network(motion), network(motion.flip(2)))
    fused = small()
    appearance, motion = inputs_for(fused)
    assert not torch.allclose(fused(appearance, motion), fused(appearance, motion.flip(2)))


@pytest.mark.parametrize(("frames", "stack", "step"), [(3, 4, 2), (2, 4, 4), (2, 3, 5), (1, 10, 10)])
def test_the_streams_give_exactly_what_the_network_takes(frames: int, stack: int, step: int) -> None:
    network = small(frames=frames, stack=stack, step=step)
    rgb, flow = network.input_streams(flow_scale=2.0)
    assert rgb.times == tuple(stack // 2 + step * k for k in range(frames))
    video_flow = torch.randn(2, frames * max(stack, step), 32, 32)  # u and v of every video frame
    clip = video_flow[:, list(flow.times)][None]
    stacked = flow.to_network(clip)
    obvious = torch.empty(1, 2 * stack, frames, 32, 32)
    for k in range(frames):
        for place in range(stack):
            for axis in range(2):  # u, then v
                obvious[0, 2 * place + axis, k] = video_flow[axis, k * step + place] / 2.0
    torch.testing.assert_close(stacked, obvious)
    images = torch.rand(1, *rgb.shape)
    assert network(rgb.to_network(images), stacked).shape == (1, 3)


def test_the_default_streams_are_those_of_the_paper() -> None:
    with torch.device("meta"):
        network = TwoStream(101)
    rgb, flow = network.input_streams(rate=25.0)
    assert rgb.times == (5, 15, 25, 35, 45)  # each with flow from 5 frames before to 4 after
    assert flow.times == tuple(range(50))
    assert rgb.shape == (3, 5, 224, 224) and flow.shape == (2, 50, 224, 224)
    assert (rgb.short_side, flow.short_side, rgb.rate, flow.rate) == (256, 256, 25.0, 25.0)
    assert (
        rgb.to_network(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1, 1).expand(1, 3, 5, 1, 1)).abs().max() < 1e-6
    )
    with torch.device("meta"):
        single = TwoStream(101, streams=("flow",))
    assert [stream.name for stream in single.input_streams()] == ["flow"]


def test_a_network_of_marey_reads_its_layers_and_leaves_it_as_found(
    left_as_found: Callable[[nn.Module], AbstractContextManager[None]],
) -> None:
    module = small()
    network = Network(module, module.input_streams())
    with left_as_found(module):
        shapes = {layer.name: layer.shape for layer in network.layers.values()}
        flow_only = {"rgb": None, "flow": torch.zeros(1, *module.input_streams()[1].shape)}
        assert network.activations(flow_only, ["flow.conv2_1"])["flow.conv2_1"].shape == (1, 8, 3, 16, 16)
    assert shapes["rgb.conv3_3"] == (16, 3, 8, 8)
    assert shapes["fusion.conv5"] == (32, 3, 2, 2)
    assert shapes["fusion.pool5"] == (32, 1, 1, 1)
    assert shapes["scores"][0] == 3 and network.scores == "scores"


def test_global_pooling_takes_any_size_and_a_grid_its_own_only() -> None:
    anywhere = small(size=40, pooling="global")
    assert anywhere(*inputs_for(anywhere)).shape == anywhere(*inputs_for(anywhere, size=72)).shape == (2, 3)
    fixed = small()
    with pytest.raises(NetworkError, match=r"fc6 takes 32 values, got 128; give inputs of the network's `size`"):
        fixed(*inputs_for(fixed, size=64))


def test_auxiliary_classifiers_train_the_towers_and_never_touch_the_scores() -> None:
    network = small(auxiliary=True, fusion="conv3")
    plain = small(fusion="conv3")
    plain.load_state_dict({name: values for name, values in network.state_dict().items() if name in plain.state_dict()})
    inputs = inputs_for(network)
    scores = network.forward_all(*inputs)
    assert {name: tuple(values.shape) for name, values in scores.items()} == dict.fromkeys(
        ("fused", "rgb", "flow"), (2, 3)
    )
    torch.testing.assert_close(scores["fused"], plain(*inputs))
    assert plain.forward_all(*inputs).keys() == {"fused"}
    (gradient,) = torch.autograd.grad(scores["rgb"].sum(), [network.get_submodule("rgb.conv1_1").weight])
    assert gradient.abs().max() > 0
    network(*inputs).sum().backward()
    assert all(values.grad is None for values in network.auxiliary.parameters())


def test_it_learns_to_tell_two_motions_apart() -> None:
    network = small(2, norm="batch", pooling="global", auxiliary=True).train()
    appearance, motion = inputs_for(network, clips=4)
    labels = torch.tensor([0, 1] * 2)
    motion = 0.1 * motion + torch.tensor([1.0, -1.0] * 2).view(4, 1, 1, 1, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        scores = network.forward_all(appearance, motion)
        loss = nn.functional.cross_entropy(scores["fused"], labels) + nn.functional.cross_entropy(
            scores["flow"], labels
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fusion": "conv3", "norm": "batch"},
        {"fusion": "late"},
        {"streams": ("flow",), "pooling": "global", "fc": 70},
    ],
)
def test_the_config_builds_the_same_network_again(options: dict[str, Any]) -> None:
    network = small(**options)
    again = TwoStream(**json.loads(json.dumps(network.config)))
    assert again.config == network.config
    again.load_state_dict(network.state_dict())
    inputs = inputs_for(network)
    assert torch.equal(again.eval()(*inputs), network(*inputs))


def test_a_channels_last_copy_in_bfloat16_gives_nearly_the_same_scores() -> None:
    network = small(pooling="global", norm="batch")
    half = copy.deepcopy(network).to(torch.bfloat16)
    for values in half.parameters():
        if values.ndim >= 4:
            last = torch.channels_last if values.ndim == 4 else torch.channels_last_3d
            values.data = values.data.contiguous(memory_format=last)
    inputs = inputs_for(network)
    scores = network(*inputs)
    difference = half(*(values.bfloat16() for values in inputs)).float() - scores
    assert difference.abs().max() < 0.05 * scores.abs().max()


def test_no_rectifier_overwrites_what_a_convolution_gave() -> None:
    assert not any(layer.inplace for layer in small().modules() if isinstance(layer, nn.ReLU))


def test_width_scales_all_channels_in_multiples_of_eight() -> None:
    network = small(width=0.3)
    counts = [layer.out_channels for layer in network.rgb.children() if isinstance(layer, nn.Conv2d)]
    assert counts == [16, 16, 40, 40, 80, 80, 80] + [152] * 6  # 0.3 * 64 = 19.2, 38.4, 76.8, 153.6
    assert network.fc6.out_features == round(0.3 * 4096)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 112}, r'size 112 does not divide by 32, as pooling="grid" needs; take 128 or pooling="global"\.'),
        ({"size": 16, "pooling": "global"}, "at least 32 pixels"),
        ({"fusion": "conv6"}, "fusion is one of conv2, conv3, conv4, conv5, late, got 'conv6'"),
        ({"norm": "layer"}, "norm is one of none, batch, got 'layer'"),
        ({"pooling": "mean"}, "pooling is one of grid, global, got 'mean'"),
        ({"streams": ("rgb", "depth")}, r"streams of TwoStream are .* got \('rgb', 'depth'\)"),
        ({"streams": "rgb"}, "streams of TwoStream are .* got 'rgb'"),
        ({"classes": 0}, "classes of TwoStream must be at least 1, got 0"),
        ({"frames": 0}, "frames of TwoStream must be at least 1, got 0"),
        ({"fc": 0}, "fc of TwoStream must be at least 1, got 0"),
        ({"width": 0.0}, "width > 0"),
        ({"dropout": 1.0}, "0 <= dropout < 1"),
    ],
)
def test_a_network_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        TwoStream(**({"classes": 3} | options))


def test_inputs_that_do_not_fit_are_refused() -> None:
    network = small()
    appearance, motion = inputs_for(network)
    with pytest.raises(NetworkError, match="TwoStream takes rgb and flow, got 1 inputs"):
        network(appearance)
    with pytest.raises(NetworkError, match=r"rgb has shape \(2, 8, 3, 32, 32\); expected \(clips, 3, frames"):
        network(motion, appearance)
    with pytest.raises(NetworkError, match=r"rgb has shape \(2, 3, 32, 32\)"):
        network(appearance[:, :, 0], motion)
    with pytest.raises(NetworkError, match="fusion needs as many clips, frames and places of both"):
        network(appearance, motion[:, :, :2])
    with pytest.raises(NetworkError, match="pools over 3 frames, got 2"):
        network(appearance[:, :, :2], motion[:, :, :2])
    with pytest.raises(NetworkError, match="got None for rgb, which its scores need"):
        network(None, motion)
    with pytest.raises(NetworkError, match="too small for five poolings"):
        network(*inputs_for(network, size=16))
