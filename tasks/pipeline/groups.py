"""The product of a finite group, read off the labels of all pairs: what each token stands for, and one rule.

A table of products that is a group's has, after Cayley, many presentations; the one with the least to read is taken:

    what is declared   permutations, residues or matrices that the folder or the user says tokens stand for
    turns              r**x s**y with a normal cyclic part: cyclic groups and products of two, dihedral ones
    residues           a commutative group as a product of cyclic ones
    permutations       how the group moves the cosets of a large subgroup that holds no normal one

All labels are looked at, and the program is compared with them like any other (``searched``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cegis import Program, Valid
from dsl.grammars.groups import MOST_DEGREE, Element, Naming, group_product
from dsl.operators import GrammarError
from tasks.pipeline.dependence import Labelled

Products = NDArray[np.int64]  # (elements, elements): the number of the product
LEAST, MOST_TRIES = 3, 4_000  # elements of a group that is looked for; pairs of generators of a subgroup
MOST_MODULUS = 2_000


def product_of_a_group(inputs: Labelled) -> Program | None:
    """The program that multiplies two tokens as elements of a group; None where the labels are not such products."""
    table = inputs.table
    tokens = table.domain.alphabet
    known = {feature.words: feature for feature in inputs.features}
    one, two = (known.get(words) for words in ("the first token", "the last token"))
    names = [str(name) for name in table.names]
    has_pairs = not table.is_placed and (table.domain.min_length, table.domain.max_length) == (2, 2)
    if not has_pairs or not set(tokens) <= set(names) or len(inputs.labels) != len(tokens) ** 2 or not (one and two):
        return None
    if one.term is None or two.term is None:
        return None
    number = {name: n for n, name in enumerate(tokens)}
    of_label = np.array([number.get(name, -1) for name in names])
    products = np.full((len(tokens), len(tokens)), -1)
    products[inputs.codes(one), inputs.codes(two)] = of_label[inputs.labels]
    declared = table.enumeration.loaded.elements
    for naming in namings(products, tokens, declared):
        term = group_product(tokens, tuple(names), naming)(one.term, two.term)
        program = Program(term, table.grammar)
        if isinstance(table.check(program), Valid):
            return program
    return None


def namings(products: Products, tokens: Sequence[str], declared: Sequence[Element] | None = None) -> Iterator[Naming]:
    """What tokens may stand for, so that their products are these, what is declared first; nothing for no group.

    ``products``: (tokens, tokens), the number of the token that is the product.
    """
    if declared is not None and len(declared) == len(tokens):
        yield from _declared(products, tuple(tokens), declared)
    if len(tokens) < LEAST or not is_group(products):
        return
    yield from _themselves(products, tuple(tokens))
    for found in (_turns(products), _residues(products), _moved(products)):
        if found is not None:
            rule, elements, *numbers = found
            yield Naming(rule, tuple(tokens), elements, *numbers)
            return


def is_group(products: Products) -> bool:
    """Whether these are the products of a group.

    Associativity is looked at for generators alone, which is enough (Light's test; Clifford and Preston 1961, 1.2).

    >>> is_group(np.array([[0, 1], [1, 0]])), is_group(np.array([[0, 1], [1, 1]]))
    (True, False)
    """
    every = np.arange(len(products))
    if not ((np.sort(products, axis=0) == every[:, None]).all() and (np.sort(products, axis=1) == every).all()):
        return False
    units = np.flatnonzero((products == every).all(axis=1))
    if len(units) != 1 or (products[:, units[0]] != every).any():
        return False
    reached, generators = {int(units[0])}, list[int]()
    while len(reached) < len(products):
        generators.append(next(n for n in range(len(products)) if n not in reached))
        reached = _closed(products, generators, int(units[0]))
    return all((products[products[:, g]] == products[:, products[g]]).all() for g in generators)


def _closed(products: Products, generators: Sequence[int], unit: int) -> set[int]:
    """All products of ``generators``."""
    found = np.zeros(len(products), bool)
    found[unit] = True
    last = np.array([unit])
    while len(last):
        after = np.unique(products[last][:, list(generators)])
        last = after[~found[after]]
        found[last] = True
    return {int(n) for n in np.flatnonzero(found)}


def _unit(products: Products) -> int:
    return int(np.flatnonzero((products == np.arange(len(products))).all(axis=1))[0])


def _powers(products: Products, element: int) -> list[int]:
    """The unit, the element, its square and so on, each once."""
    found = [_unit(products)]
    while (after := int(products[found[-1], element])) != found[0]:
        found.append(after)
    return found


def _agrees(products: Products, naming: Naming) -> bool:
    """Whether products of what tokens stand for are those of the tokens."""
    index = {element: n for n, element in enumerate(naming.elements)}
    return all(
        index.get(naming.of(one, other)) == products[n, m]
        for n, one in enumerate(naming.elements)
        for m, other in enumerate(naming.elements)
    )


def _themselves(products: Products, tokens: tuple[str, ...]) -> Iterator[Naming]:
    """Tokens that are permutations of digits already."""
    for is_later_first in (False, True):
        try:
            naming = Naming("permutations", tokens, tokens, is_later_first=is_later_first)
        except GrammarError:
            return
        if _agrees(products, naming):
            yield naming


def _declared(products: Products, tokens: tuple[str, ...], declared: Sequence[Element]) -> Iterator[Naming]:
    """Rules by which products of the elements that are declared are those of the tokens."""
    elements = tuple(_frozen(element) for element in declared)
    least = min((min(row) for row in elements if _is_whole(row)), default=0)
    if all(map(_is_whole, elements)) and all(sorted(row) == [*range(least, least + len(row))] for row in elements):
        texts = tuple("".join(str(n - least) for n in row) for row in elements)  # permutations, from 0 or from 1 on
        yield from _fitting(products, tokens, "permutations", texts, [()])
    if all(isinstance(element, str) for element in elements):
        shifted = tuple("".join(str(int(d) - 1) if d.isdigit() else d for d in element) for element in elements)
        for texts in (elements, shifted):
            yield from _fitting(products, tokens, "permutations", texts, [()])
    if all(map(_is_whole, elements)) and len({*map(len, elements)}) == 1:
        moduli = tuple(max(column) + 1 for column in zip(*elements, strict=True))
        yield from _fitting(products, tokens, "residues", elements, [moduli])
        yield from _fitting(products, tokens, "turns", elements, [moduli])
    if all(isinstance(element, tuple) and element and all(map(_is_whole, element)) for element in elements):
        largest = max((x for element in elements for row in element for x in row), default=0)
        yield from _fitting(products, tokens, "matrices", elements, [(m,) for m in range(largest + 1, largest + 12)])


def _fitting(
    products: Products, tokens: tuple[str, ...], rule: str, elements: tuple[Any, ...], moduli: list[tuple[int, ...]]
) -> Iterator[Naming]:
    for some in moduli:
        factors = range(2, some[0]) if rule == "turns" and len(some) == 2 and some[0] < MOST_MODULUS else (1,)
        for factor in factors:
            for is_later_first in (False, True):
                try:
                    naming = Naming(rule, tokens, elements, some, factor, is_later_first)
                    fits = _agrees(products, naming)
                except (GrammarError, TypeError, ValueError, IndexError):
                    continue
                if fits:
                    yield naming
                    return


def _frozen(element: Any) -> Element:
    return tuple(map(_frozen, element)) if isinstance(element, list | tuple) else element


def _is_whole(row: object) -> bool:
    return isinstance(row, tuple) and bool(row) and all(type(x) is int for x in row)


Found = tuple[Any, ...]  # a rule, elements, and its numbers


def _turns(products: Products) -> Found | None:
    """r**x s**y for elements r and s of which the powers of r are a normal part; cyclic groups as powers alone."""
    count = len(products)
    powers = [_powers(products, n) for n in range(count)]
    best: tuple[bool, Found] | None = None
    for r in sorted(range(count), key=lambda n: (-len(powers[n]), n)):
        order = len(powers[r])
        if order == count:
            place = {element: x for x, element in enumerate(powers[r])}
            return "residues", tuple(place[n] for n in range(count)), (order,)
        if order < 3 or order**2 < count:
            break
        inside = {element: x for x, element in enumerate(powers[r])}
        for s in range(count):
            m = len(powers[s])
            if m * order != count or any(element in inside for element in powers[s][1:]):
                continue
            turned = int(products[products[s, r], powers[s][-1]])
            if turned not in inside:
                continue
            names = {int(products[p, q]): (x, y) for x, p in enumerate(powers[r]) for y, q in enumerate(powers[s])}
            if len(names) < count:
                continue
            factor = inside[turned]
            elements = tuple(names[n] for n in range(count))
            found: Found = (
                ("residues", elements, (order, m)) if factor == 1 else ("turns", elements, (order, m), factor)
            )
            is_in_order = elements == tuple((n % order, n // order) for n in range(count))
            if is_in_order:
                return found
            best = best or (False, found)
    return None if best is None else best[1]


def _residues(products: Products) -> Found | None:
    """A commutative group as a product of cyclic ones: generators of largest order, one after the other.

    An element of the largest order generates a direct factor of a commutative group of prime-power order; where the
    next generator must have the order that it has modulo those before, this holds for all.
    """
    count = len(products)
    if (products != products.T).any():
        return None
    unit = _unit(products)
    powers = [_powers(products, n) for n in range(count)]
    names: dict[int, tuple[int, ...]] = {unit: ()}
    moduli: list[int] = []
    while len(names) < count:
        fits = [n for n in range(count) if len(powers[n]) > 1 and not any(p in names for p in powers[n][1:])]
        if not fits:
            return None
        chosen = min(fits, key=lambda n: (-len(powers[n]), n))
        moduli.append(len(powers[chosen]))
        names = {int(products[n, p]): (*name, x) for n, name in names.items() for x, p in enumerate(powers[chosen])}
    return "residues", tuple(names[n] for n in range(count)), tuple(moduli)


def _moved(products: Products) -> Found | None:
    """How elements move the cosets of a subgroup, the largest that is found without a normal part: as digits."""
    count, unit = len(products), _unit(products)
    random = np.random.default_rng(0)
    fewest = next(d for d in range(1, count + 1) if math.factorial(d) >= count)
    best: tuple[str, ...] | None = None
    degree, seen = MOST_DEGREE + 1, set[frozenset[int]]()
    for _ in range(MOST_TRIES):
        generators = [int(n) for n in random.integers(0, count, 2)]
        subgroup = _closed(products, generators, unit)
        if count // len(subgroup) >= degree or len(subgroup) == count or frozenset(subgroup) in seen:
            continue
        seen.add(frozenset(subgroup))
        texts = _action(products, sorted(subgroup))
        if len({*texts}) == count:
            best, degree = texts, count // len(subgroup)
        if degree <= fewest:
            break
    return None if best is None else ("permutations", best)


def _action(products: Products, subgroup: list[int]) -> tuple[str, ...]:
    """For every element, where the cosets H x go when it is multiplied from the right: digits of their numbers."""
    coset = np.full(len(products), -1)
    for n in range(len(products)):
        if coset[n] < 0:
            coset[products[subgroup, n]] = coset.max() + 1
    first = [int(np.flatnonzero(coset == c)[0]) for c in range(int(coset.max()) + 1)]
    return tuple("".join(str(coset[products[x, n]]) for x in first) for n in range(len(products)))
