"""Rows that integers and reals share: + - * and the comparisons, over numbers of one sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dsl.operators import BOOL, Operator, Sort


def arithmetic(sort: Sort, zero: Callable[[Any], Any]) -> tuple[Operator, ...]:
    """Sum, difference, opposite and product; ``zero``: that number as a formula, by a formula manager."""

    def row(
        name: str, arity: int, numpy: Callable[..., Any], smt: Callable[..., Any], python: str, noun: str, **more: Any
    ) -> Operator:
        return Operator(name, (sort,) * arity, sort, numpy, smt, python, noun=noun, **more)

    def opposite(s: Any, x: Any) -> Any:
        return s.manager.Minus(zero(s.manager), x)

    return (
        row(
            "+",
            2,
            lambda _, x, y: np.add(x, y),
            lambda s, *xy: s.manager.Plus(*xy),
            "_0 + _1",
            "total",
            commutative=True,
        ),
        row("-", 2, lambda _, x, y: np.subtract(x, y), lambda s, *xy: s.manager.Minus(*xy), "_0 - _1", "difference"),
        row("-", 1, lambda _, x: np.negative(x), opposite, "-_0", "opposite"),
        row(
            "*",
            2,
            lambda _, x, y: np.multiply(x, y),
            lambda s, *xy: s.manager.Times(*xy),
            "_0 * _1",
            "product",
            commutative=True,
        ),
    )


def comparisons(sort: Sort) -> tuple[Operator, ...]:
    """The four of them; numpy gives objects of comparing objects, which are made flags here."""

    def row(name: str, numpy: Callable[..., Any], smt: Callable[..., Any]) -> Operator:
        def run(_: Any, x: Any, y: Any) -> Any:
            return numpy(x, y).astype(bool, copy=False)

        return Operator(name, (sort, sort), BOOL, run, smt, f"_0 {name} _1", noun="flag")

    return (
        row("<=", np.less_equal, lambda s, x, y: s.manager.LE(x, y)),
        row("<", np.less, lambda s, x, y: s.manager.LT(x, y)),
        row(">=", np.greater_equal, lambda s, x, y: s.manager.GE(x, y)),
        row(">", np.greater, lambda s, x, y: s.manager.GT(x, y)),
    )
