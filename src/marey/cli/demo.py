"""`marey demo`: what the network that ships with the package has learned, with nothing but this package."""

from pathlib import Path

from marey.cli.arguments import OutOption, SeedOption
from marey.cli.output import writable
from marey.cli.screen import screen

SHOWN = (
    *("bounce_red_ball", "bounce_striped_ball", "jumping_jack", "kick_low", "punch", "skip"),
    *("fusion.conv5:93", "fusion.conv5:95"),
)
"""Classes whose inputs read well, which not all do (docs/classes.jpg); fused units of two classes and of one."""


def demo(out: OutOption = Path("demo"), seed: SeedOption = 0) -> int:
    """Draw what six classes and two fused units of the bundled network want to see, from slow to fast.

    Takes about a minute and a half on two cores.
    """
    from marey.cli.maximize import maximize

    writable(out)
    console = screen(error=True)
    console.print(f"what {len(SHOWN)} units of motion-studies, which ships with marey, want to see", style="bold")
    status = maximize(net="motion-studies", units=list(SHOWN), out=out, seed=seed, device="cpu")
    if status == 0:
        console.print(
            f"look at {out}/overview.png, and for each unit at the contact sheet and preferred.mp4 in its folder",
            style="bold",
            soft_wrap=True,
        )
    return status
