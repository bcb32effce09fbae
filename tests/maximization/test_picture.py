"""A made input is the picture that is stored beside this file; after a change that is meant, store the new one.

Run with MAREY_STORE_PICTURES=1 to store it.
"""

import os
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image

from marey.maximization.recipe import Recipe
from marey.maximization.run import maximize
from marey.network.maxima import Maxima

STORED = Path(__file__).with_name("edges.png")


def test_the_preferred_edges_of_a_known_network_look_as_before(known: ModuleType) -> None:
    edges = [(0.0, known.RED_GREEN), (45.0, known.RED_GREEN), (-90.0, known.BLUE_YELLOW)]
    recipe = Recipe(slowness=(0.0,), steps=48, precision="fp32")
    maxima = Maxima({"edges": torch.full((3,), 0.4)})
    results = maximize(known.edge_network(edges), [f"edges:{k}" for k in range(3)], recipe=recipe, maxima=maxima)
    pictures = torch.cat([result.frames["rgb"][0, :, 0] for result in results], dim=2)  # channel height width
    made = (pictures.movedim(0, 2) * 255).round().clamp(0, 255).numpy().astype(np.uint8)
    if os.environ.get("MAREY_STORE_PICTURES"):
        Image.fromarray(made).save(STORED)
    with Image.open(STORED) as picture:
        stored = np.asarray(picture)
    assert made.shape == stored.shape == (11, 33, 3)
    apart = np.abs(made.astype(int) - stored.astype(int))
    assert apart.mean() < 2 and apart.max() < 20, "of 255; rounding, not another picture"
