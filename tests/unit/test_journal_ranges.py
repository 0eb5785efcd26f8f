"""Which operations a journal covers, and which it does not."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncs.journal import Entry, merged_ranges, missing

_SEQS = st.integers(min_value=0, max_value=60)
_ENTRIES = st.lists(st.tuples(_SEQS, _SEQS).map(lambda pair: Entry(min(pair), max(pair))), max_size=20)


def _covered(ranges: list[tuple[int, int]]) -> list[int]:
    return [seq for start, end in ranges for seq in range(start, end)]


@given(_ENTRIES)
def test_merged_ranges_cover_the_same(entries: list[Entry]) -> None:
    """Merged ranges cover what the entries cover, each operation once, in order, with gaps between them."""
    ranges = merged_ranges(entries)
    assert _covered(ranges) == sorted({seq for e in entries for seq in range(e.from_seq, e.to_seq)})
    assert all(left[1] < right[0] for left, right in pairwise(ranges))
    assert all(start < end for start, end in ranges)


@given(_ENTRIES, _SEQS)
def test_missing_is_the_rest(entries: list[Entry], total: int) -> None:
    """What is missing is exactly what of the plan no entry covers, as few ranges in order."""
    gaps = missing(entries, total)
    assert _covered(gaps) == sorted(set(range(total)) - set(_covered(merged_ranges(entries))))
    assert all(left[1] < right[0] for left, right in pairwise(gaps))


def test_an_empty_journal() -> None:
    """With no entry the whole plan is missing, and nothing of an empty plan."""
    assert missing([], 5) == [(0, 5)]
    assert missing([], 0) == []
    assert merged_ranges([]) == []
