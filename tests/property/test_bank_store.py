"""Laws of what a bank stands on: numbers of keys, pools of objects, boxes of what is not combined yet."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsl.enumeration import store as store_module
from dsl.enumeration.fingerprints import Keys
from dsl.enumeration.index_ranges import chunks, fresh, splits, volume
from dsl.enumeration.store import Numbering, Pool

few = st.integers(0, 40).map(lambda n: n << 58)  # many equal keys, all with the same home
keys = st.lists(st.one_of(few, st.integers(0, 2**64 - 1)), max_size=300)


@given(st.lists(keys, max_size=5))
def test_keys_are_numbered_in_order_of_first_appearance(chunks_of_keys):
    numbering, known = Numbering(), {}
    for chunk in chunks_of_keys:
        chunk = [key or 1 for key in chunk]  # 0 is taken for 1
        before = len(known)
        for key in chunk:
            known.setdefault(key, len(known))
        slots, new = numbering.number(np.array(chunk, np.uint64))
        assert numbering.numbers(slots).tolist() == [known[key] for key in chunk]
        assert [chunk[place] for place in new] == list(known)[before:]
    assert len(numbering) == len(known)
    asked = [*known, 12345, 2**63 + 9]
    assert numbering.lookup(np.array(asked, np.uint64)).tolist() == [known.get(key, -1) for key in asked]


def test_many_keys_survive_every_widening(monkeypatch):
    monkeypatch.setattr(store_module, "MANY", 2**11)
    rng, numbering, known = np.random.default_rng(0), Numbering(), {}
    for _ in range(60):
        chunk = rng.integers(1, 2**62, 500, dtype=np.uint64) * np.uint64(4)
        chunk[::7] = chunk[0]
        numbering.number(chunk)
        for key in chunk.tolist():
            known.setdefault(key, len(known))
    assert numbering.lookup(np.array(list(known), np.uint64)).tolist() == list(range(len(known)))
    assert numbering.nbytes < 12 * 8 * len(known)


@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=20), max_size=6))
def test_a_pool_gives_back_what_was_put_in(lists):
    pool, seen = Pool(), {}
    for texts in lists:
        values = np.empty(len(texts), object)
        values[:] = texts
        numbers = pool.intern(values)
        for text, number in zip(texts, numbers.tolist(), strict=True):
            assert seen.setdefault(text, number) == number
        assert pool.objects(numbers).tolist() == texts
    assert sorted(seen.values()) == list(range(len(seen)))


sizes = st.lists(st.integers(0, 5), min_size=1, max_size=3)


@given(sizes, st.data(), st.integers(1, 9))
def test_fresh_boxes_are_what_was_not_combined_once_each(sides, data, most):
    done = tuple(data.draw(st.integers(0, size)) for size in sides)
    found = []
    for box in fresh(tuple(sides), done):
        for piece in chunks(box, most):
            assert 0 < volume(piece) <= most
            found += product(*(range(*side) for side in piece))
    everything = set(product(*map(range, sides)))
    assert len(found) == len(set(found))
    assert set(found) == everything - set(product(*map(range, done)))


@given(st.integers(0, 6), st.data(), st.integers(1, 9))
def test_mirrored_pieces_hold_every_pair_in_order_once(size, data, most):
    done = data.draw(st.integers(0, size))
    found = []
    for box in fresh((size, size), (done, done)):
        for piece in chunks(box, most, mirrored=True):
            found += [pair for pair in product(*(range(*side) for side in piece)) if pair[0] <= pair[1]]
    assert sorted(found) == [(i, j) for i in range(size) for j in range(i, size) if not (i < done and j < done)]


@given(st.integers(0, 8), st.integers(0, 4))
def test_splits_are_all_ordered_sums(total, parts):
    assert list(splits(total, parts)) == [c for c in product(range(1, total + 1), repeat=parts) if sum(c) == total]


@given(st.integers(0, 3), st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), min_size=1, max_size=9))
def test_keys_add_up_over_examples(seed, rows):
    whole, words = Keys(seed), np.array(rows, np.uint64)
    whole.widen(4, 0)
    first = whole.of(words[:, :4])
    whole.widen(6, 0)
    assert (whole.of(words) == first + whole.of(words[:, 4:], 4)).all()
    one = words.copy()
    one[:, 3] ^= np.uint64(1 << 63)
    assert (whole.of(one) != whole.of(words)).all(), "behaviours that differ on one example have different keys"
