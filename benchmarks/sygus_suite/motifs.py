"""Steps and read-outs of programs over sequences: what a network that reads tokens one by one has to learn.

Each is asked for as cases, and may be built from counters, flags and conditionals.
"""

from __future__ import annotations

from typing import Any

from benchmarks.sygus_suite.language import (
    BOOL,
    INT,
    Rules,
    SygusProblem,
    bits,
    declare,
    function,
    given,
    implies,
    ite,
    lifted,
    problem,
)
from dsl.operators import bitvector


def _counting(*leaves: Any, flags: tuple[Any, ...] = ()) -> Rules:
    """Numbers with sums, differences and conditionals over comparisons."""
    return {
        "Number": (INT, [*leaves, ("+", "Number", "Number"), ("-", "Number", "Number"),
                         ("ite", "Flag", "Number", "Number")]),
        "Flag": (BOOL, [*flags, ("=", "Number", "Number"), ("<=", "Number", "Number"), ("<", "Number", "Number"),
                        ("not", "Flag"), ("and", "Flag", "Flag")]),
    }  # fmt: skip


def _logic(*leaves: Any) -> Rules:
    return {"Flag": (BOOL, [*leaves, ("not", "Flag"), ("and", "Flag", "Flag"), ("or", "Flag", "Flag")])}


def toggle() -> SygusProblem:
    """A state of 0 or 1 that every marked token flips."""
    state, mark = declare(state=INT, mark=BOOL)
    step = function("step", INT, state, mark)
    constraints = given(
        (state >= 0) & (state <= 1),
        implies(mark & (state == 0), step(state, mark) == 1),
        implies(mark & (state == 1), step(state, mark) == 0),
        implies(~mark, step(state, mark) == state),
    )
    return problem("LIA", [step], [state, mark], constraints, {"step": _counting(state, 0, 1, flags=(mark,))})


def latch() -> SygusProblem:
    """A flag that is set by one token and cleared by another; setting wins."""
    held, put, clear = declare(held=BOOL, put=BOOL, clear=BOOL)
    step = function("step", BOOL, held, put, clear)
    new = step(held, put, clear)
    constraints = [implies(put, new), implies(~put & clear, ~new), implies(~put & ~clear, new == held)]
    return problem("LIA", [step], [held, put, clear], constraints, {"step": _logic(held, put, clear)})


def saturating_counter() -> SygusProblem:
    """A counter from 0 to 3 that stays at 3."""
    count, up = declare(count=INT, up=BOOL)
    step = function("step", INT, count, up)
    new = step(count, up)
    constraints = given(
        (count >= 0) & (count <= 3),
        implies(up & (count < 3), new == count + 1),
        implies(up & (count == 3), new == 3),
        implies(~up, new == count),
    )
    return problem("LIA", [step], [count, up], constraints, {"step": _counting(count, 1, 3, flags=(up,))})


def counter_modulo_three() -> SygusProblem:
    """Marked tokens counted modulo 3."""
    count, mark = declare(count=INT, mark=BOOL)
    step = function("step", INT, count, mark)
    new = step(count, mark)
    constraints = given(
        (count >= 0) & (count <= 2),
        implies(mark & (count == 0), new == 1),
        implies(mark & (count == 1), new == 2),
        implies(mark & (count == 2), new == 0),
        implies(~mark, new == count),
    )
    return problem("LIA", [step], [count, mark], constraints, {"step": _counting(count, 0, 1, 2, flags=(mark,))})


def bracket_depth() -> SygusProblem:
    """The depth after a token: 1 opens, 2 closes, anything else is text."""
    depth, token = declare(depth=INT, token=INT)
    step = function("step", INT, depth, token)
    new = step(depth, token)
    constraints = [
        implies(token == 1, new == depth + 1),
        implies(token == 2, new == depth - 1),
        implies(~(token == 1) & ~(token == 2), new == depth),
    ]
    return problem("LIA", [step], [depth, token], constraints, {"step": _counting(depth, token, 1, 2)})


def depth_that_sticks() -> SygusProblem:
    """A depth that stays below zero once it got there."""
    depth, change = declare(depth=INT, change=INT)
    step = function("step", INT, depth, change)
    new = step(depth, change)
    constraints = given(
        (change >= -1) & (change <= 1), implies(depth < 0, new == depth), implies(depth >= 0, new - change == depth)
    )
    return problem("LIA", [step], [depth, change], constraints, {"step": _counting(depth, change, 0)})


def quote_state() -> SygusProblem:
    """Inside which quotes we are after a token: 0 none, 1 single, 2 double; the other kind inside quotes is text."""
    state, token = declare(state=INT, token=INT)
    step = function("step", INT, state, token)
    new = step(state, token)
    constraints = given(
        ((state >= 0) & (state <= 2)) & ((token >= 0) & (token <= 2)),
        implies(state == 0, new == token),
        implies((state > 0) & (token == state), new == 0),
        implies((state > 0) & ~(token == state), new == state),
    )
    return problem("LIA", [step], [state, token], constraints, {"step": _counting(state, token, 0)})


def run_length() -> SygusProblem:
    """How long the run is that ends here."""
    length, same = declare(length=INT, same=BOOL)
    step = function("step", INT, length, same)
    new = step(length, same)
    constraints = [implies(same, new - length == 1), implies(~same, new == 1)]
    return problem("LIA", [step], [length, same], constraints, {"step": _counting(length, 0, 1, flags=(same,))})


def longest_run() -> SygusProblem:
    """Two registers at once: the run that ends here, and the longest so far."""
    run, best, same = declare(run=INT, best=INT, same=BOOL)
    length, longest = function("length", INT, run, same), function("longest", INT, run, best, same)
    now, top = length(run, same), longest(run, best, same)
    constraints = [
        implies(same, now == run + 1), implies(~same, now == 1), best <= top, now <= top, (top == best) | (top == now),
    ]  # fmt: skip
    grammars = {
        "length": _counting(run, 1, flags=(same,)),
        "longest": _counting(run, best, 1, flags=(same,)),
    }
    return problem("LIA", [length, longest], [run, best, same], constraints, grammars)


def argmax_of_counts() -> SygusProblem:
    """Which of three counts is largest: 0, 1 or 2, the earliest of equals."""
    a, b, c = declare(a=INT, b=INT, c=INT)
    winner = function("winner", INT, a, b, c)
    found = winner(a, b, c)
    constraints = [
        (found >= 0) & (found <= 2),
        implies(found == 0, (b <= a) & (c <= a)),
        implies(found == 1, (a < b) & (c <= b)),
        implies(found == 2, (a < c) & (b < c)),
    ]
    return problem("LIA", [winner], [a, b, c], constraints, {"winner": _counting(a, b, c, 0, 1, 2)})


def order_of_two_counts() -> SygusProblem:
    """The label of a comparison: 0 less, 1 equal, 2 more."""
    a, b = declare(a=INT, b=INT)
    label = function("label", INT, a, b)
    found = label(a, b)
    constraints = [implies(a < b, found == 0), implies(a == b, found == 1), implies(b < a, found == 2)]
    return problem("LIA", [label], [a, b], constraints, {"label": _counting(a, b, 0, 1, 2)})


def majority() -> SygusProblem:
    """Whether at least two of three flags hold."""
    a, b, c = declare(a=BOOL, b=BOOL, c=BOOL)
    vote = function("vote", BOOL, a, b, c)
    first, second, third = (ite(flag, lifted(1, INT), 0) for flag in (a, b, c))
    constraints = [vote(a, b, c) == (first + second + third >= 2)]
    return problem("LIA", [vote], [a, b, c], constraints, {"vote": _logic(a, b, c)})


def first_symbol() -> SygusProblem:
    """The first token that is no blank (0), remembered."""
    held, token = declare(held=INT, token=INT)
    step = function("step", INT, held, token)
    new = step(held, token)
    constraints = [implies(held == 0, new == token), implies((held < 0) | (held > 0), new == held)]
    return problem("LIA", [step], [held, token], constraints, {"step": _counting(held, token, 0)})


def debounce() -> SygusProblem:
    """A flag that follows its input only when the input was the same twice."""
    state, before, now = declare(state=BOOL, before=BOOL, now=BOOL)
    step = function("step", BOOL, state, before, now)
    new = step(state, before, now)
    constraints = [
        implies(before & now, new), implies(~before & ~now, ~new), implies(before & ~now, new == state),
        implies(~before & now, new == state),
    ]  # fmt: skip
    rules = {
        "Flag": (BOOL, [state, before, now, ("=", "Flag", "Flag"), ("not", "Flag"), ("ite", "Flag", "Flag", "Flag")])
    }
    return problem("LIA", [step], [state, before, now], constraints, {"step": rules})


def rising_edges() -> SygusProblem:
    """How often a flag has gone up."""
    count, before, now = declare(count=INT, before=BOOL, now=BOOL)
    step = function("step", INT, count, before, now)
    new = step(count, before, now)
    constraints = [implies(now & ~before, new == count + 1), implies(~now | before, new == count)]
    return problem("LIA", [step], [count, before, now], constraints, {"step": _counting(count, 1, flags=(before, now))})


def escape_state() -> SygusProblem:
    """Whether the next token is escaped: after a backslash (1) that is not escaped itself."""
    escaped, token = declare(escaped=BOOL, token=INT)
    step = function("step", BOOL, escaped, token)
    new = step(escaped, token)
    constraints = [implies(escaped, ~new), implies(~escaped & (token == 1), new), implies(~(token == 1), ~new)]
    number, flag = _counting(token, 0, 1, flags=(escaped,)).items()
    return problem("LIA", [step], [escaped, token], constraints, {"step": dict([flag, number])})


def comment_state() -> SygusProblem:
    """Slashes in a row: two begin a comment (2), which a new line ends; anything else forgets the first."""
    state, slash, newline = declare(state=INT, slash=BOOL, newline=BOOL)
    step = function("step", INT, state, slash, newline)
    new = step(state, slash, newline)
    constraints = given(
        ((state >= 0) & (state <= 2)) & ~(slash & newline),
        implies(newline, new == 0),
        implies(~newline & (state == 2), new == 2),
        implies(~newline & ((state < 2) & slash), new == state + 1),
        implies(~newline & ((state < 2) & ~slash), new == 0),
    )
    rules = _counting(state, 0, 1, 2, flags=(slash, newline))
    return problem("LIA", [step], [state, slash, newline], constraints, {"step": rules})


def window_of_bits() -> SygusProblem:
    """The last four flags as bits, the newest lowest."""
    width = bitvector(4)
    window, flag = declare(window=width, flag=width)
    step = function("step", width, window, flag)
    new = step(window, flag)
    constraints = given(
        flag <= 1, bits(0, 0, new) == bits(0, 0, flag), bits(3, 1, new) == bits(2, 0, window)
    )  # fmt: skip
    rules: Rules = {
        "Bits": (
            width,
            [window, flag, 1, *((name, "Bits", "Bits") for name in ("bvand", "bvor", "bvxor", "bvshl", "bvlshr"))],
        )
    }
    return problem("BV", [step], [window, flag], constraints, {"step": rules})


PROBLEMS = (
    toggle, latch, saturating_counter, counter_modulo_three, bracket_depth, depth_that_sticks, quote_state, run_length,
    longest_run, argmax_of_counts, order_of_two_counts, majority, first_symbol, debounce, rising_edges, escape_state,
    comment_state, window_of_bits,
)  # fmt: skip
