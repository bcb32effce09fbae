"""Preferred inputs: the frames, in all streams together, that excite a unit most (equation (1))."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from marey.maximization.maximization import Callback, Maximization
from marey.maximization.objectives import Objective
from marey.maximization.parametrizations import Parametrization
from marey.maximization.parts import Parts
from marey.maximization.priors import Prior
from marey.maximization.recipe import Recipe
from marey.maximization.result import PreferredInput
from marey.maximization.result_folder import ResultFolder, saved
from marey.maximization.targets import Named
from marey.maximization.transforms import Transform
from marey.network.maxima import Maxima
from marey.network.network import Network
from marey.network.unit import Unit

Several = list[str] | list[Unit] | list[Objective] | list[Named] | tuple[Named, ...]
"""Targets that give a list of results."""


@overload
def maximize(
    network: Network,
    target: Named,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] | None = None,
    parametrization: Parametrization | str | None = None,
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
    folder: str | Path | None = None,
) -> PreferredInput: ...
@overload
def maximize(
    network: Network,
    target: Several,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] | None = None,
    parametrization: Parametrization | str | None = None,
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
    folder: str | Path | None = None,
) -> list[PreferredInput]: ...
def maximize(
    network: Network,
    target: Named | Several,
    *,
    recipe: Recipe | None = None,
    maxima: Maxima | None = None,
    priors: Sequence[Prior] | None = None,
    parametrization: Parametrization | str | None = None,
    transforms: Sequence[Transform] | None = None,
    callback: Callback | None = None,
    folder: str | Path | None = None,
) -> PreferredInput | list[PreferredInput]:
    """The preferred input of a class (by name), a unit or an objective, with the whole slowness sweep in it.

    One target gives one result, a list gives a list. Units of a layer share forward passes, and a neuron is optimized
    on its receptive field alone.

    maxima
        what scores are relative to. Layers that are not in it follow the network's file, or else are measured on
        generated clips; every result says which.
    priors
        what is subtracted from the weighted score, see `Prior`. None: `Energy` and `Variation`, with a kappa of 3 for
        classes of networks that see RGB alone.
    parametrization
        how the frames are held: "fourier", "moved", "pixels", or a `Parametrization`. None: "moved" for units that see
        several RGB frames and no flow, else "fourier".
    transforms
        random changes of what the network is shown at each step; None: a `Shift` of up to the layer's stride, or of a
        quarter of the frame for classes of networks that see RGB alone.
    callback
        told after every step, see `Progress`.
    folder
        where each result is saved, in a folder of its own, as soon as it is made. Results of the same settings that
        are there already are opened instead of made again, so that a run that was stopped goes on where it was.

    Ctrl-C ends the run and returns what there is, marked as interrupted. The network is left as it was found. Raises
    NetworkError for an address that the network does not have, MareyError for a setting that cannot be, and for an
    input for which there is no memory.
    """
    named = [target] if isinstance(target, str | Unit | Objective) else list(target)
    parts = Parts.of(priors, parametrization, transforms)
    run = Maximization(network, named, recipe=recipe, maxima=maxima, parts=parts, callback=callback)
    results = dict(run.results() if folder is None else saved(run, ResultFolder(folder, run.labels)))
    in_order = [results[place] for place in sorted(results)]
    return in_order[0] if isinstance(target, str | Unit | Objective) else in_order
