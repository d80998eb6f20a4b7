"""The 62 tasks on integer streams of the MIPS paper, as functions from what comes in to what goes out.

Each is written from its meaning: ``target`` maps whole numbers (streams, T, inputs) to (streams, T, outputs), an
output at every step. Names, ranges, lengths and the authors' sizes of states are those of the repository behind
arXiv 2402.05110 (ejmichaud/neural-verification); where its description and its data disagree, the data are meant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Target = Callable[[Ints], Ints]


@dataclass(frozen=True)
class StreamTask:
    """``paper_name``; ``low`` to ``high``, both included: each of ``inputs`` numbers of a step; ``length``: steps.

    ``state``: the size of the authors' state. ``is_affine``: whether an affine recurrence does it, so that no ReLU is
    trained; ``width``: ReLUs of each other map.
    """

    name: str
    paper_name: str
    low: int
    high: int
    state: int
    target: Target
    length: int = 10
    inputs: int = 1
    is_affine: bool = False
    width: int = 8

    @property
    def outputs(self) -> int:
        """How many numbers go out at each step."""
        return int(self.target(np.zeros((1, 1, self.inputs), np.int64)).shape[2])

    @property
    def steps(self) -> int:
        """How many different inputs a step has."""
        return int((self.high - self.low + 1) ** self.inputs)

    def sample(self, count: int, rng: np.random.Generator) -> Ints:
        """Random streams (count, length, inputs)."""
        return rng.integers(self.low, self.high + 1, (count, self.length, self.inputs))


def _delayed(x: Ints, steps: int) -> Ints:
    """The stream ``steps`` earlier, 0 before it began."""
    return np.concatenate([np.zeros_like(x[:, :steps]), x[:, : max(0, x.shape[1] - steps)]], axis=1)[:, : x.shape[1]]


def _scanned(step: Callable[[Ints, Ints], tuple[Ints, Ints]]) -> Target:
    """A fold from 0: ``step(state, x)`` gives the next state and the output, all (streams, 1)."""

    def run(x: Ints) -> Ints:
        state, out = np.zeros_like(x[:, 0, :1]), []
        for at in range(x.shape[1]):
            state, value = step(state, x[:, at])
            out.append(value)
        return np.stack(out, axis=1)

    return run


def previous(steps: int) -> Target:
    """x[t - steps], 0 before."""
    return lambda x: _delayed(x, steps)


def window_sum(width: int) -> Target:
    """The sum of the last ``width`` numbers."""
    return lambda x: sum((_delayed(x, k) for k in range(1, width)), x.copy())


def total_modulo(modulus: int) -> Target:
    """The remainder of the sum so far."""
    return lambda x: x.cumsum(axis=1) % modulus


def window_parity(width: int) -> Target:
    """The exclusive or of the last ``width`` bits."""
    return lambda x: window_sum(width)(x) % 2


def added(base: int) -> Target:
    """Digits of a sum, the least first."""
    return _scanned(
        lambda carry, x: ((carry + x.sum(1, keepdims=True)) // base, (carry + x.sum(1, keepdims=True)) % base)
    )


def divided(divisor: int) -> Target:
    """Binary digits of a quotient, the greatest first."""
    return _scanned(lambda rest, x: ((2 * rest + x) % divisor, (2 * rest + x) // divisor))


def alternating(width: int) -> Target:
    """Whether the last ``width`` bits alternate; they are 0 before the stream."""
    return lambda x: np.logical_and.reduce([_delayed(x, k) != _delayed(x, k + 1) for k in range(width - 1)]).astype(
        np.int64
    )


def majority(letters: int) -> Target:
    """The number that was most frequent so far, the least of several."""
    return lambda x: np.stack([(x == n).cumsum(axis=1) for n in range(letters)]).argmax(axis=0)


def _balanced(x: Ints) -> Ints:
    depth = (1 - 2 * x).cumsum(axis=1)
    found: Ints = ((depth == 0) & (np.minimum.accumulate(depth, axis=1) >= 0)).astype(np.int64)
    return found


def _palindromes(x: Ints) -> Ints:
    return np.stack([(x[:, : t + 1] == x[:, t::-1]).all(axis=1) for t in range(x.shape[1])], axis=1).astype(np.int64)


def _moved(force: Callable[[Ints, Ints, Ints], Ints]) -> Target:
    """Positions of a mass that is pushed: force(input, position, velocity) is added to the velocity."""

    def run(x: Ints) -> Ints:
        position, velocity, out = np.zeros_like(x[:, 0]), np.zeros_like(x[:, 0]), []
        for at in range(x.shape[1]):
            velocity = velocity + force(x[:, at], position, velocity)
            position = position + velocity
            out.append(position)
        return np.stack(out, axis=1)

    return run


def _dithered(level: Ints, x: Ints) -> tuple[Ints, Ints]:
    return (level + x) % 15, (level + x) // 15


def _bits(name: str, paper_name: str, state: int, target: Target, width: int = 8) -> StreamTask:
    return StreamTask(name, paper_name, 0, 1, state, target, width=width)


def _pairs(name: str, paper_name: str, state: int, target: Target, high: int = 1) -> StreamTask:
    return StreamTask(name, paper_name, 0, high, state, target, inputs=2)


def _affine(
    name: str, paper_name: str, state: int, target: Target, low: int = 0, high: int = 99, **more: int
) -> StreamTask:
    return StreamTask(name, paper_name, low, high, state, target, is_affine=True, **more)


TASKS: tuple[StreamTask, ...] = (
    _pairs("bit_addition", "Binary_Addition", 2, added(2)),
    StreamTask("rnn_abs_value_numerical", "Abs_Current", -100, 99, 1, np.abs),
    StreamTask("rnn_abs_value_of_diff_numerical", "Abs_Diff", -100, 99, 2, lambda x: np.abs(x - _delayed(x, 1))),
    *(
        StreamTask(f"rnn_add_mod_{m}_numerical", f"Add_Mod_{m}", 0, m - 1, state, total_modulo(m))
        for m, state in ((3, 1), (4, 2), (5, 3), (6, 4), (7, 4), (8, 67))
    ),
    _bits("rnn_alternating_last3_numerical", "Alternating_Last3", 2, alternating(3)),
    _bits("rnn_alternating_last4_numerical", "Alternating_Last4", 2, alternating(4)),
    _bits("rnn_balanced_parenthesis_numerical", "Balanced_Parenthesis", 1, _balanced),
    *(_pairs(f"rnn_base_{b}_addition", f"Base_{b}_Addition", 2, added(b), b - 1) for b in range(3, 8)),
    _pairs(
        "rnn_bit_dot_prod_mod2_numerical", "Bit_Dot_Prod_Mod2", 1, lambda x: total_modulo(2)(x[..., :1] * x[..., 1:])
    ),
    _bits("rnn_bit_palindromes_numerical", "Bit_Palindrome", 18, _palindromes, width=24),
    _bits("rnn_bit_shift_right_numerical", "Bit_Shift_Right", 2, previous(1)),
    _pairs("rnn_bitwise_and", "Bitwise_And", 1, lambda x: x.min(axis=2, keepdims=True)),
    _bits("rnn_bitwise_not", "Bitwise_Not", 1, lambda x: 1 - x),
    _pairs("rnn_bitwise_or", "Bitwise_Or", 1, lambda x: x.max(axis=2, keepdims=True)),
    _pairs("rnn_bitwise_xor", "Bitwise_Xor", 1, lambda x: x.sum(axis=2, keepdims=True) % 2),
    _affine("rnn_diff_last2_numerical", "Diff_Last2", 2, lambda x: x - _delayed(x, 1), -100),
    StreamTask(
        "rnn_diff_of_abs_value_numerical", "Diff_Abs_Values", -100, 99, 2, lambda x: np.abs(x) - np.abs(_delayed(x, 1))
    ),
    StreamTask("rnn_dithering_numerical", "Dithering", 0, 15, 81, _scanned(_dithered)),
    *(_bits(f"rnn_div_{k}_numerical", f"Div_{k}", state, divided(k)) for k, state in ((3, 2), (5, 4), (7, 4))),
    StreamTask(
        "rnn_evens_counter_numerical", "Evens_Counter", 0, 9, 4, lambda x: (x % 2 == 0).cumsum(axis=1), width=20
    ),
    StreamTask("rnn_evens_detector_numerical", "Evens_Detector", 0, 9, 5, lambda x: 1 - x % 2, width=20),
    _affine("rnn_identity_numerical", "Current_Number", 1, lambda x: x),
    *(
        StreamTask(f"rnn_majority0_{n}_numerical", f"Majority_0_{n}", 0, n, state, majority(n + 1), width=width)
        for n, state, width in ((1, 1, 8), (2, 4, 16), (3, 21, 24))
    ),
    StreamTask("rnn_max_numerical", "Max_Seen", 0, 99, 1, lambda x: np.maximum.accumulate(x, axis=1)),
    StreamTask("rnn_min_numerical", "Min_Seen", 0, 9, 1, lambda x: np.minimum.accumulate(x, axis=1)),
    _affine("rnn_newton_freebody_numerical", "Newton_Freebody", 2, _moved(lambda x, p, v: x), -10, 10),
    _affine("rnn_newton_gravity_numerical", "Newton_Gravity", 2, _moved(lambda x, p, v: x - 1), -10, 10),
    _affine(
        "rnn_newton_magnetic_numerical",
        "Newton_Magnetic",
        4,
        _moved(lambda x, p, v: x + v[:, ::-1] * np.array([-1, 1])),
        -10,
        10,
        inputs=2,
    ),
    _affine("rnn_newton_spring_numerical", "Newton_Spring", 2, _moved(lambda x, p, v: x - p), -10, 10),
    *(_bits(f"rnn_parity_last{k}_numerical", f"Parity_Last{k}", k - 1, window_parity(k)) for k in (2, 3, 4)),
    _bits("rnn_parity_numerical", "Parity_All", 1, total_modulo(2)),
    _bits("rnn_parity_of_index_numerical", "Parity_Bits_Mod2", 1, lambda x: (x * 0 + 1).cumsum(axis=1) % 2 ^ 1),
    _bits("rnn_parity_of_zeros_numerical", "Parity_Zeros", 1, lambda x: (1 - x).cumsum(axis=1) % 2),
    StreamTask(
        "rnn_perfect_square_detector_numerical",
        "Perfect_Square_Detector",
        0,
        19,
        48,
        lambda x: np.isin(x, (0, 1, 4, 9, 16)).astype(np.int64),
        width=32,
    ),
    *(
        _affine(f"rnn_prev{k}_numerical", f"Prev{k}", k + 1, previous(k), length=20 if k == 5 else 10)
        for k in range(1, 6)
    ),
    *(
        _affine(f"rnn_sum_last{k}_numerical", f"Sum_Last{k}", k, window_sum(k), length=10 if k < 5 else 20)
        for k in range(2, 8)
    ),
    _affine("rnn_sum_numerical", "Sum_All", 1, lambda x: x.cumsum(axis=1)),
    StreamTask(
        "rnn_unique2_numerical", "Previous_Equals_Current", 0, 7, 2, lambda x: (x == _delayed(x, 1)).astype(np.int64)
    ),
)
