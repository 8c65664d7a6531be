"""Which rows may train for which test, decided by instants and never by counts of rows.

A row has a decision, and a label that is measured from then on and becomes known later: its label interval is
(decision, label known]. All functions take these two as arrays, one entry a row, rows in any order; several
rows may share a decision, as those of several assets do.

Ten rows a day apart, d0 to d9, each label known two days after its decision. The test span is d4 and d5, so
what it measures is known by d7:

    row       d0  d1  d2  d3  d4  d5  d6  d7  d8  d9
    known at  d2  d3  d4  d5  d6  d7  d8  d9  d10 d11
    purged    .   .   x   x   T   T   x   x   .   .     what meets [d4, d7]
    embargo   .   .   x   x   T   T   x   x   x   .     of a day: and what is decided in (d7, d8]
    forward   .   .   .   x   T   T   x   x   x   x     what is not known by d4, with no embargo
    forward   .   .   x   x   T   T   x   x   x   x     what is not known by d3, an embargo of a day

d2 becomes known at d4. A walk forward that wants no embargo may learn from it; a purge leaves it out.
"""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Split(NamedTuple):
    """One way to choose the test groups: their numbers, and which rows train."""

    number: int
    test_groups: tuple[int, ...]
    is_train: Array
    is_test: Array


def known_by(label_known_at: Array, embargo_at: np.datetime64) -> Array:
    """Walk forward: rows whose label is known by the embargo, an instant before the test span or its start.

    The bound is inclusive: what becomes known at an instant may be used at it.
    """
    return label_known_at <= embargo_at


def clear_of(
    decision_at: Array,
    label_known_at: Array,
    test_from: np.datetime64,
    test_known_at: np.datetime64,
    embargo: np.timedelta64,
) -> Array:
    """Rows that neither meet a test span nor follow it too closely (López de Prado 2018, chapter 7).

    The span is [test_from, test_known_at], from its first decision until its last label is known, closed at
    both ends: features of the first test decision may hold what became known at it, and those of a row
    decided at test_known_at hold the test's labels. Row i is left out where its label interval (decision_at,
    label_known_at] with its decision meets the span, and where decision_at lies in (test_known_at,
    test_known_at + embargo].
    """
    return (label_known_at < test_from) | (decision_at > test_known_at + embargo)


def group_numbers(decision_at: Array, groups: int) -> Array:
    """Group of each row, 0 to groups - 1: consecutive decisions, as many in each, the rest in the last.

    Rows of one decision share a group. Raises ValueError where there are fewer decisions than groups.
    """
    instants, place = np.unique(decision_at, return_inverse=True)
    if not 0 < groups <= len(instants):
        raise ValueError(f"group_numbers: {len(instants)} decisions, at least {groups} are expected")
    return np.minimum(place // (len(instants) // groups), groups - 1)


def combinatorial_splits(
    decision_at: Array, label_known_at: Array, groups: int, tested: int, embargo: np.timedelta64
) -> Iterator[Split]:
    """All choices of `tested` of the `groups`, in ascending order: C(groups, tested) splits.

    Combinatorial purged cross-validation (López de Prado 2018, chapter 12). Rows train that are clear of each
    test group by itself. It trains on the future of some test groups, so it estimates overfit and nothing
    else. Raises ValueError as group_numbers does.
    """
    group = group_numbers(decision_at, groups)
    clear = [
        clear_of(
            decision_at,
            label_known_at,
            decision_at[group == number].min(),
            label_known_at[group == number].max(),
            embargo,
        )
        for number in range(groups)
    ]
    for number, chosen in enumerate(combinations(range(groups), tested)):
        is_train = np.logical_and.reduce([clear[one] for one in chosen])
        yield Split(number, chosen, is_train, np.isin(group, chosen))


def combinatorial_paths(groups: int, tested: int) -> Array:
    """Number of the split that tests each group on each path: paths by groups.

    Each group is tested by C(groups - 1, tested - 1) splits, which is the number of paths; the first path
    takes the first of them, and so on. Six groups, two tested: 15 splits and 5 paths.
    """
    chosen = list(combinations(range(groups), tested))
    by_group = [[number for number, split in enumerate(chosen) if group in split] for group in range(groups)]
    return np.array(by_group).T.reshape(comb(groups - 1, tested - 1), groups)
