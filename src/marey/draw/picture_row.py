"""The row of pictures of one unit: its clips, its chis and the words about them, before they are drawn."""

from dataclasses import dataclass

from torch import Tensor

from marey.errors import MareyError


@dataclass(frozen=True, eq=False)
class PictureRow:
    r"""The appearance and the motion that one unit prefers, for each of its chi (slowness) settings.

    title, subtitle
        the unit's address; its class or layer, as one line.
    appearance
        (chi, 3, time, height, width), RGB in 0..1; None when the network sees only flow.
    motion
        (chi, 2, time, height, width), u and v in px/frame; None when the network sees only RGB.
    chis
        the settings, in any order; they are shown from slow (large) to fast (0).
    captions
        one text for each chi, as in "1.12 of real maximum\nrecognized as run"; or none at all.
    """

    title: str
    subtitle: str = ""
    appearance: Tensor | None = None
    motion: Tensor | None = None
    chis: tuple[float, ...] = (0.0,)
    captions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.appearance is None and self.motion is None:
            raise MareyError(f"'{self.title}' has neither appearance nor motion to draw; give at least one of them.")
        for name, clips, channels in (("appearance", self.appearance, 3), ("motion", self.motion, 2)):
            if clips is None:
                continue
            if clips.ndim != 5 or clips.shape[1] != channels or 0 in clips.shape:
                raise MareyError(
                    f"{name} of '{self.title}' has shape {tuple(clips.shape)}; "
                    f"expected (chi, {channels}, time, height, width)."
                )
            if clips.shape[0] != len(self.chis):
                raise MareyError(
                    f"{name} of '{self.title}' holds {clips.shape[0]} clips for {len(self.chis)} chis; "
                    "give one for each."
                )
        if self.captions and len(self.captions) != len(self.chis):
            raise MareyError(
                f"'{self.title}' has {len(self.captions)} captions for {len(self.chis)} chis; "
                "give one for each, or none."
            )

    @property
    def still(self) -> bool:
        """Whether it is a single picture, of which no slowness need be said."""
        return self.motion is None and self.appearance is not None and self.appearance[:, 0, :, 0, 0].numel() == 1

    @property
    def slow_to_fast(self) -> list[int]:
        """The places of the chis, largest chi first."""
        return sorted(range(len(self.chis)), key=lambda place: -self.chis[place])
