"""How far a show is, as one number over all of its stages."""

from marey.gallery.work import Stage, Told, in_turn


def test_stages_count_by_the_seconds_they_are_planned_to_take() -> None:
    said: list[tuple[float, float, str]] = []

    def half(told: Told) -> None:
        told(0.5, "1 of 2")

    stages = [Stage("there", 0.0, lambda told: told(1.0, "")), Stage("short", 2.0, half), Stage("long", 8.0, half)]
    in_turn(stages, lambda done, total, what: said.append((done, total, what)))
    assert {total for _, total, _ in said} == {10.0}
    assert [(done, what) for done, _, what in said] == [
        (0.0, "there"),
        (0.0, "there"),
        (0.0, "short"),
        (1.0, "short, 1 of 2"),
        (2.0, "long"),
        (6.0, "long, 1 of 2"),
    ]
