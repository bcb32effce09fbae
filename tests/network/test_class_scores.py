"""The layer before the last softmax gives the class scores, wherever the softmax stands, and the output is a layer."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from marey.errors import MareyWarning, NetworkError
from marey.network.class_scores import probabilities
from marey.network.network import Network
from marey.network.stream import rgb_frames
from marey.network.unit import Unit

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
Function = Callable[[Tensor], Tensor]

CLASSES = ("bend", "jack", "walk")


class Body(nn.Module):
    """Eight features of every frame (clip time feature), a gate on the way, then whatever `head` makes of them."""

    def __init__(self, head: nn.Module, views: int = 1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.gate = nn.Conv3d(3, 8, 3, stride=(1, 4, 4), padding=1), nn.Linear(8, 8)
        self.head, self.views = head, views

    def forward(self, clips: Tensor) -> Any:
        maps = self.stem(clips).relu().mean((3, 4)).transpose(1, 2)
        maps = (maps * torch.sigmoid(self.gate(maps))).unflatten(1, (self.views, -1)).mean(2)
        return self.head(maps if self.views > 1 else maps[:, 0])


class Functional(nn.Module):
    """Calls functions of its own around a linear layer."""

    def __init__(self, function: Function, *, units: int = 3) -> None:
        super().__init__()
        self.fc, self.function = nn.Linear(8, units), function

    def forward(self, features: Tensor) -> Tensor:
        return self.function(self.fc(features))


class Around(nn.Module):
    """A wrapper that does something to what the network inside it gives."""

    def __init__(self, module: nn.Module, after: Callable[[Any], Any]) -> None:
        super().__init__()
        self.model, self.after = module, after

    def forward(self, clips: Tensor) -> Any:
        return self.after(self.model(clips))


def shown(module: nn.Module, **settings: Any) -> Network:
    return Network(module, [rgb_frames(4, size=16)], **{"classes": CLASSES, **settings})


def outputs(network: Network, *layers: str) -> tuple[Tensor, ...]:
    """What the layers give for a clip (class), mean over their positions."""
    clip = {"rgb": torch.rand(1, *network.streams[0].shape, generator=torch.Generator().manual_seed(3))}
    network.module.eval()
    with torch.no_grad():
        found = network.activations(clip, layers)
    return tuple(found[layer].mean((2, 3, 4))[0] for layer in layers)


def by_hand(scores: Tensor) -> Tensor:
    exponents = (scores - scores.amax(-1, keepdim=True)).exp()
    return exponents / exponents.sum(-1, keepdim=True)


SQUASHES: dict[str, tuple[Callable[[], nn.Module], Function]] = {
    "softmax": (lambda: nn.Softmax(-1), lambda scores: scores.softmax(-1)),
    "log_softmax": (lambda: nn.LogSoftmax(-1), lambda scores: torch.log_softmax(scores, -1)),
    "sigmoid": (nn.Sigmoid, torch.sigmoid),
    "none": (nn.Identity, lambda scores: scores),
}


@given(
    squash=st.sampled_from(sorted(SQUASHES)),
    form=st.sampled_from(["container", "functional", "around"]),
    views=st.sampled_from([1, 2]),
    wrapped=st.booleans(),
    hidden=st.booleans(),
)
@settings(max_examples=40)
def test_scores_of_any_head_are_those_before_the_squash(
    squash: str, form: str, views: int, wrapped: bool, hidden: bool
) -> None:
    module, function = SQUASHES[squash]
    first: list[nn.Module] = [nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 8)] if hidden else []  # as many units, no head
    fc: nn.Module = Functional(function) if form == "functional" else nn.Linear(8, 3)
    last = [module()] if form == "container" else []
    net: nn.Module = Body(nn.Sequential(*first, fc, *last), views)
    if form == "around":
        net = Around(net, function)
    if views > 1:
        net = Around(net, lambda probabilities: probabilities.mean(1))
    if wrapped:
        net = Around(nn.Sequential(net, nn.Identity()), lambda scores: scores)
    network = shown(net)
    inner = next(name for name, part in net.named_modules() if part is (fc.fc if isinstance(fc, Functional) else fc))
    scores, expected, own = outputs(network, network.scores, inner, network.output)
    torch.testing.assert_close(scores, expected)
    squashed = network.class_scores.probabilities_of(network.scores)
    assert (squashed is None) == (squash == "none")
    if views == 1 and squash != "none":
        torch.testing.assert_close(own, function(scores))


@pytest.mark.parametrize(
    "function",
    [
        by_hand,
        lambda scores: scores - scores.logsumexp(-1, keepdim=True),
        nn.functional.hardsigmoid,
        lambda scores: torch.softmax(scores / 0.07, -1).clamp_min(1e-6).log(),
        lambda scores: scores.clone().sigmoid_(),
    ],
)
def test_a_softmax_is_known_by_what_it_does(function: Function) -> None:
    network = shown(Body(Functional(function)))
    assert network.scores == "head.fc"
    assert network.class_scores.probabilities_of("head.fc") == "output"


def test_a_softmax_outside_torch_is_known_by_its_values() -> None:
    network = shown(Body(Functional(lambda scores: torch.from_numpy(scores.softmax(-1).numpy()))))
    assert network.scores == "head.fc"


class Gated(nn.Module):
    """Attention over time, a gate of the scores, and a swish: none of them makes probabilities of the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.attention, self.gate = nn.Linear(8, 3), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, features: Tensor) -> Tensor:
        scores = (self.attention(features).softmax(1) * self.fc(features)).sum(1)
        scores = scores * torch.sigmoid(self.gate(features.mean(1)))
        return scores + scores * scores.sigmoid()


def test_attention_gates_and_swish_after_the_scores_do_not_count_as_a_softmax() -> None:
    network = shown(Body(Gated(), views=2))
    assert network.scores == "head"
    assert network.class_scores.probabilities_of("head") is None


def test_scores_that_come_from_no_module_are_the_output_of_the_network() -> None:
    segments = shown(Around(Body(nn.Linear(8, 3), views=2), lambda scores: scores.mean(1)))
    assert segments.scores == "output"
    cosine = shown(Around(Body(nn.Linear(8, 3)), lambda scores: 10 * nn.functional.normalize(scores, dim=1)))
    assert cosine.scores == "output"


def test_the_mean_of_two_streams_is_the_output_of_the_network() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.streams = nn.ModuleList([Body(nn.Linear(8, 3)), Body(Functional(lambda scores: 2 * scores))])

        def forward(self, clips: Tensor) -> Tensor:
            return torch.stack([stream(clips) for stream in self.streams]).mean(0)

    late = shown(Late())
    assert late.scores == "output"
    assert late.unit("jack") == late.unit("output:1") == Unit("output", 1)
    assert late.label(Unit("output", 1)) == "jack"
    assert late.layer("output").receptive_field == late.layer("streams.1").receptive_field


def test_probabilities_that_no_layer_comes_before_are_still_taken() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(3, 8))

        def forward(self, features: Tensor) -> Tensor:
            return (features @ self.weight.T).softmax(1)

    network = shown(Body(Bare()))
    assert network.scores == "output"
    assert network.class_scores.probabilities_of("output") == "output"


def _two_heads(answer: Callable[[Tensor, Tensor], Any]) -> nn.Module:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.noun, self.verb = nn.Linear(8, 3), nn.Linear(8, 3)

        def forward(self, features: Tensor) -> Any:
            return answer(self.noun(features), self.verb(features))

    return Body(Heads())


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        (lambda noun, verb: (noun, verb), "head.noun"),
        (lambda noun, verb: {"verb": verb.softmax(1), "noun": noun.softmax(1)}, "head.verb"),
        (lambda noun, verb: SimpleNamespace(extra=noun, logits=verb), "head.verb"),
        (lambda noun, verb: OrderedDict(loss=None, noun=noun, logits=verb), "head.verb"),
        (lambda noun, verb: [torch.cat([noun, verb], 1)], "head.verb"),
        (lambda noun, verb: noun.softmax(1) + verb.softmax(1), "head.verb"),
    ],
)
def test_of_two_heads_the_output_decides_and_the_other_is_said(answer: Any, scores: str) -> None:
    network = shown(_two_heads(answer))
    other = {"head.noun": "head.verb", "head.verb": "head.noun"}[scores]
    message = f"class scores are those of '{scores}', but '{other}' fits as well; name the right one with scores='...'."
    with pytest.warns(MareyWarning) as warned:
        assert network.scores == scores
    assert [str(one.message) for one in warned] == [f"Body: {message}"]
    named = shown(_two_heads(answer), scores=other)
    assert named.unit("walk") == Unit(other, 2)


def test_a_head_that_is_part_of_the_output_is_no_other_head() -> None:
    network = shown(_two_heads(lambda noun, verb: (noun + verb) / 2))
    assert network.scores == "head"


def test_a_class_is_the_mean_over_the_positions_of_its_unit() -> None:
    head = Functional(lambda scores: scores.softmax(1).mean((2, 3, 4)))
    head.fc = nn.Conv3d(8, 3, 1)  # type: ignore[assignment]

    class Convolutional(Body):
        def forward(self, clips: Tensor) -> Tensor:
            return head(self.stem(clips).relu())

    network = shown(Convolutional(head))
    assert network.scores == "head.fc"
    assert network.layer("head.fc").positions == (4, 4, 4)
    assert network.unit("walk") == Unit("head.fc", 2)


def test_the_output_has_another_name_where_a_part_has_its(left_as_found: LeftAsFound) -> None:
    module = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool3d(1), output=nn.Flatten()))
    network = shown(Around(module, lambda scores: 2 * scores))
    with left_as_found(network.module):
        assert network.scores == "output"
    with left_as_found(module):
        assert (shown(module).scores, shown(module).output) == ("output", "network_output")
        assert list(shown(module).layers) == ["pool", "output", "network_output"]
    own, named = outputs(shown(module), "network_output", "output")
    assert own.equal(named)


def test_a_network_without_heads_says_what_to_do() -> None:
    network = shown(Body(nn.Linear(8, 5)))
    with pytest.raises(NetworkError, match="no layer with one score for each of its 3 classes; name the one before"):
        network.unit("walk")


def test_probabilities_are_averaged_over_places_and_logarithms_undone() -> None:
    values = torch.tensor([[0.2, 0.6], [0.8, 0.4]]).view(1, 2, 2, 1, 1)
    for given_as in (values, values.log()):
        torch.testing.assert_close(probabilities(given_as), torch.tensor([[0.4, 0.6]]))
