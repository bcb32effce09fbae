"""`marey demo`: everything once, on generated clips, with nothing but this package."""

from pathlib import Path

from rich.console import Console

from marey.cli.arguments import OutOption, SeedOption
from marey.cli.output import writable


def demo(out: OutOption = Path("demo"), seed: SeedOption = 0) -> int:
    """Train a small two-stream network on moving shapes, then draw what its class units want.

    Takes about four minutes on two cores.
    """
    from marey.cli.maximize import maximize
    from marey.cli.train import train
    from marey.datasets.moving_shapes import write_moving_shapes

    writable(out)
    console = Console(stderr=True)
    clips, net, pictures = out / "clips", out / "network.safetensors", out / "preferred"
    console.print("1 of 3  clips of moving shapes", style="bold")
    write_moving_shapes(clips, seed=seed)
    console.print("2 of 3  a two-stream network learns to tell them apart", style="bold")
    status = train(
        data=clips,
        out=net,
        size=64,
        width=0.125,
        frames=1,
        steps=250,
        fusion_steps=150,
        minutes=2.5,
        flip=False,
        flow="dis",
        seed=seed,
        hold_out="0.25",
        device="cpu",
    )
    if status != 0:
        return status
    console.print("3 of 3  what its class units want to see", style="bold")
    status = maximize(
        net=str(net), units=["classes"], out=pictures, clips=clips, flow="dis", steps=128, seed=seed, device="cpu"
    )
    if status == 0:
        console.print(
            f"look at {pictures}/overview.png, and for each class at the contact sheet and preferred.mp4 in its folder",
            style="bold",
        )
    return status
