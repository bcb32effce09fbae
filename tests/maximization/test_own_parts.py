"""Ten lines are enough for a term, a prior, a parametrization, a transform and a callback of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import marey
from marey.maximization.transforms import View

WAVES = marey.Fourier()
RECIPE = marey.Recipe(slowness=(0.0,), steps=16, precision="fp32")


@dataclass(frozen=True)
class WholeLayer(marey.Term):
    """The root mean square of all activations of a layer."""

    layer: str

    @property
    def layers(self) -> frozenset[str]:
        return frozenset({self.layer})

    def value(self, activations: Mapping[str, Tensor]) -> Tensor:
        return activations[self.layer].square().mean().sqrt()  # channel time height width


@dataclass(frozen=True)
class Sideways(marey.Prior):
    """Mean squared motion up and down, relative to the bound."""

    weight: float = 1.0

    def terms(self, offsets: Mapping[str, Tensor], scene: marey.Scene) -> dict[str, Tensor]:
        up_and_down = offsets["flow"][:, 1] / scene.bounds["flow"]  # clip time height width
        return {"flow up and down": self.weight * up_and_down.square().mean((1, 2, 3))}


@dataclass(frozen=True)
class Steady(marey.Parametrization):
    """The same frame at all times, in Fourier coefficients."""

    inner: marey.Fourier = WAVES

    def free_shape(self, kind: str, shape: tuple[int, int, int, int]) -> tuple[int, ...]:
        return self.inner.free_shape(kind, (shape[0], 1, *shape[2:]))

    def frames(self, free: Tensor, kind: str, shape: tuple[int, int, int, int]) -> Tensor:
        return self.inner.frames(free, kind, (shape[0], 1, *shape[2:])).expand(-1, -1, shape[1], -1, -1)


@dataclass(frozen=True)
class Mirrored(marey.Transform):
    """The mirror image in half of the steps: motion to the left becomes motion to the right."""

    def draw(self, generator: torch.Generator) -> View:
        mirrored = float(torch.rand((), generator=generator)) < 0.5

        def view(frames: Tensor, stream: marey.Stream) -> Tensor:  # clip channel time height width
            signs = [-1.0, 1.0] if stream.kind == "flow" else [1.0, 1.0, 1.0]  # u changes its sign
            return frames.flip(-1) * frames.new_tensor(signs).view(1, -1, 1, 1, 1) if mirrored else frames

        return view


@dataclass(frozen=True)
class ToTheRight(marey.Transform):
    """All motion is 1 px/frame to the right, whatever the input."""

    def draw(self, generator: torch.Generator) -> View:
        def view(frames: Tensor, stream: marey.Stream) -> Tensor:
            return 0 * frames + frames.new_tensor([1.0, 0.0]).view(1, -1, 1, 1, 1)

        return view


def test_a_term_of_ones_own_is_maximized_beside_units(network: marey.Network) -> None:
    objective = marey.Objective.of(WholeLayer("fuse")) + 0.5 * marey.unit("fuse:0")
    result = marey.maximize(network, objective, recipe=RECIPE)
    assert result.target == "0.5 * fuse:0@2,5,5 + WholeLayer(layer='fuse')"
    assert float(result.history[-1]) > float(result.history[0]) + 0.1
    with torch.no_grad():
        activations = network.activations(result.inputs(0), ["fuse"])
    alone = marey.maximize(network, marey.Objective.of(WholeLayer("fuse")), recipe=RECIPE)
    with torch.no_grad():
        expected = network.activations(alone.inputs(0), ["fuse"])["fuse"][0].square().mean().sqrt()
    assert alone.scores[0] == pytest.approx(float(expected), rel=1e-4), "as it is, without a scale"
    assert bool(torch.isfinite(activations["fuse"]).all())


def test_a_prior_of_ones_own_shapes_the_input_and_has_a_share(network: marey.Network) -> None:
    plain = [marey.Energy(), marey.Variation()]
    free, sideways = (
        marey.maximize(network, "run", recipe=RECIPE, priors=priors) for priors in (plain, [*plain, Sideways(100.0)])
    )
    before, after = (float(one.frames["flow"][:, 1].square().mean()) for one in (free, sideways))
    assert after < 0.2 * before
    assert sideways.shares[0]["flow up and down"] > 0 and "flow up and down" not in free.shares[0]
    assert sideways.provenance["priors"][-1] == "Sideways(weight=100.0)"


@pytest.mark.parametrize(("bound", "weight"), [(1.0, 1.0), (3.0, 1.0), (1.0, 8.0)])
def test_a_prior_of_ones_own_is_told_the_bounds_and_is_not_multiplied_by_the_weight(
    network: marey.Network, bound: float, weight: float
) -> None:
    recipe = marey.Recipe(slowness=(0.0,), steps=4, precision="fp32", bounds={"flow": bound}, weight=weight)
    result = marey.maximize(network, "run", recipe=recipe, priors=[Sideways(0.3)])
    expected = 0.3 * float((result.frames["flow"][:, 1] / bound).square().mean())
    share = result.shares[0]
    assert share["flow up and down"] / share["score"] == pytest.approx(expected / (weight * result.scores[0]), rel=1e-3)


def test_a_parametrization_of_ones_own_holds_the_frames(network: marey.Network) -> None:
    result = marey.maximize(network, "run", recipe=RECIPE, parametrization=Steady())
    flow = result.frames["flow"]  # chi channel time height width
    assert float(flow.diff(dim=2).abs().max()) < 1e-5 < float(flow.diff(dim=3).abs().max())
    assert float(result.history[-1]) > float(result.history[0]) + 0.1
    assert result.provenance["parametrization"].startswith("Steady(inner=Fourier(")


def test_a_transform_of_ones_own_is_what_the_network_is_shown(network: marey.Network) -> None:
    shown: list[Tensor] = []

    def watch(progress: marey.Progress) -> None:
        shown.append(progress.frames["flow"].mean((0, 2, 3, 4)))

    sideways = [ToTheRight(), Mirrored()]
    marey.maximize(network, "flow:0", recipe=RECIPE, transforms=sideways, callback=watch)
    assert {round(float(mean[0])) for mean in shown} == {-1, 1} and {round(float(mean[1])) for mean in shown} == {0}
