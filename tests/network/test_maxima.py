"""How far units respond: a value that says where it comes from, and gives every unit a zero and a reach."""

import pytest
import torch
from torch import Tensor

from marey.errors import NetworkError
from marey.network.maxima import Maxima

LARGEST, MEANS = torch.tensor([[2.0, 1.0], [3.0, -5.0]]), torch.tensor([[1.0, 0.5], [0.5, -9.0]])  # clip unit


def _of_clips(largest: Tensor = LARGEST, means: Tensor = MEANS) -> Maxima:
    return Maxima.of_clips({"a": largest}, {"a": means}, source="2 real clips", bounds={"flow": 3.0})


def test_the_largest_of_all_clips_counts() -> None:
    found = _of_clips()
    assert found.largest["a"].tolist() == [3.0, 1.0] and found.largest_mean["a"].tolist() == [1.0, 0.5]
    assert (found.layers, found.source, found.bounds) == (("a",), "2 real clips", {"flow": 3.0})


def test_an_ordinary_response_is_the_median_clip_and_0_where_a_relu_makes_it() -> None:
    means = torch.tensor([[-18.0], [-16.0], [5.0]])
    assert _of_clips(means + 1, means).zeros("a").tolist() == [-16.0]
    assert _of_clips(means.relu() + 1, means.relu()).zeros("a").tolist() == [0.0]
    assert Maxima({"a": torch.ones(2)}).zeros("a").tolist() == [0.0, 0.0], "where it is not known"


def test_the_reach_is_how_far_the_largest_is_above_the_ordinary_response() -> None:
    known = Maxima(
        {"a": torch.tensor([4.0, -4.0])}, {"a": torch.tensor([2.0, -10.0])}, {"a": torch.tensor([1.0, -16.0])}
    )
    assert known.reach("a").tolist() == [3.0, 12.0]
    assert known.reach("a", everywhere=True).tolist() == [1.0, 6.0]
    assert Maxima({"a": torch.tensor([4.0])}).reach("a", everywhere=True).tolist() == [4.0], "without means"


def test_a_unit_that_hardly_responds_has_a_tenth_of_the_reach_of_its_layer() -> None:
    reach = Maxima({"a": torch.tensor([-1.0, 0.0, 0.01, 2.0, 4.0])}).reach("a")
    assert reach.tolist() == pytest.approx([0.2, 0.2, 0.2, 2.0, 4.0])
    assert Maxima({"a": torch.zeros(2)}).reach("a").tolist() == pytest.approx([0.1, 0.1]), "never 0"


@pytest.mark.parametrize("factor", [0.1, 30.0])
@pytest.mark.parametrize("shift", [-100.0, -20.0, 100.0])
def test_relative_responses_do_not_depend_on_the_unit_of_a_layer_without_a_zero(factor: float, shift: float) -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(9, 5, generator=generator)
    largest = means + torch.rand(9, 5, generator=generator)

    def relative(scale: float, offset: float) -> Tensor:
        found = _of_clips(scale * largest + offset, scale * means + offset)
        return (scale * largest + offset - found.zeros("a")) / found.reach("a")

    torch.testing.assert_close(relative(factor, factor * shift), relative(1.0, 0.0), atol=1e-3, rtol=1e-3)


def test_of_several_sources_the_first_that_knows_a_layer_counts_and_only_those_used_are_named() -> None:
    one = Maxima({"a": torch.ones(2)}, bounds={"flow": 2.0}, source="90 real clips")
    two = Maxima(
        {"a": torch.zeros(2), "b": torch.ones(3)}, bounds={"flow": 5.0, "rgb": 0.4}, source="8 generated clips"
    )
    both = Maxima.merged(one, two)
    assert both.largest["a"].tolist() == [1.0, 1.0] and "b" in both and "c" not in both
    assert both.bounds == {"flow": 2.0, "rgb": 0.4}
    assert both.source == "90 real clips and 8 generated clips"
    assert Maxima.merged(one, two.only(["a"])).source == "90 real clips"
    assert both.only(["b"]).layers == ("b",)


def test_parts_of_one_layer_of_several_sources_are_not_mixed() -> None:
    one, two = Maxima({"a": torch.ones(2)}), Maxima({"a": torch.ones(2)}, {}, {"a": torch.full((2,), -3.0)})
    assert Maxima.merged(one, two).zeros("a").tolist() == [0.0, 0.0]


def test_tensors_and_words_bring_it_back_from_a_file() -> None:
    found = _of_clips()
    again = Maxima.from_tensors(found.tensors(), bounds=found.bounds, source=found.source)
    assert (again.source, again.bounds) == (found.source, found.bounds)
    assert again.tensors().keys() == found.tensors().keys()
    assert all(torch.equal(value, found.tensors()[name]) for name, value in again.tensors().items())


def test_values_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(
        NetworkError, match=r"maxima of layer 'a' have shape \(2, 2\); expected one value for each unit"
    ):
        Maxima({"a": torch.ones(2, 2)})
    with pytest.raises(NetworkError, match="maxima of layer 'a' do not fit each other; measure them again"):
        Maxima({"a": torch.ones(2)}, {"a": torch.ones(3)})
    with pytest.raises(NetworkError, match="maxima of layer 'b' do not fit each other"):
        Maxima({"a": torch.ones(2)}, {}, {"b": torch.ones(2)})


def test_maxima_are_written_in_one_short_line() -> None:
    many = Maxima({f"conv{k}": torch.zeros(500) for k in range(9)}, source="260 real clips")
    assert repr(many) == "Maxima(9 layers (conv0, conv1, conv2, conv3, ...) on 260 real clips)"
    assert repr(many.only(["conv3"])) == "Maxima(1 layer (conv3) on 260 real clips)"
