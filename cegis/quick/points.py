"""Where terms are tried first: values of the parameters, the same on every machine.

Numbers are mixed by multiples of the golden ratio's fractional part, which are spread evenly (Knuth, volume 3, 6.4).
"""

from __future__ import annotations

from cegis.quick.nodes import Node, width_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STEP = 0x9E3779B97F4A7C15  # that fraction, of 2**64
FEW, MANY = 10, 150
WIDTHS = 2, 23, 5, 7, 3  # how many numbers a point has its values of


def few(parameters: Sequence[Node]) -> dict[Node, tuple[int, ...]]:
    """Some values of whole numbers and words, both ends of the words among them."""
    found = {}
    for place, one in enumerate(parameters):
        width = width_of(one.sort)
        mixed = [_mixed((place + 1) * (number + 1)) for number in range(FEW)]
        if width:
            first = [0, 2**width - 1, 2 ** (width - 1), 1]
            first = first[place % 4 :] + first[: place % 4]
            found[one] = tuple([*first, *(value >> 64 - width for value in mixed)][:FEW])
        else:
            found[one] = tuple(value % 41 - 20 for value in mixed)
    return found


def near_zero(count: int) -> list[tuple[int, ...]]:
    """Points of so many whole numbers; in some they rise or fall, as formulas often speak of numbers in order."""
    found = []
    for number in range(MANY):
        width = WIDTHS[number % len(WIDTHS)]
        point = [(_mixed(number * count + place + 1) >> 20) % width - width // 2 for place in range(count)]
        found.append(tuple(point))
        if number % 2:
            found += [tuple(sorted(point)), tuple(sorted(point, reverse=True)), (*sorted(point[1:]), point[0])]
    return found


def _mixed(number: int) -> int:
    return number * STEP % 2**64
