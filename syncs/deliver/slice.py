"""What the spool hands to delivery, and what of it is on its way to the destination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.batch import Batch
from connectors.operation import Kind

__all__ = ["Parcel", "Slice"]


@dataclass(frozen=True, slots=True)
class Slice:
    """One batch out of the spool: the operations `from_seq` … `to_seq - 1`, which are dense.

    `cut(a, b)` gives the operations [a, b) of this slice as a batch of their own. `kind` is what all its
    operations are; None where they are mixed or not known, which costs a look at each of them.
    """

    from_seq: int
    to_seq: int
    batch: Batch
    cut: Callable[[int, int], Batch]
    kind: Kind | None = None


@dataclass(slots=True)
class Parcel:
    """A range of a slice that is sent as one request.

    `doubtful`: it may have been written and its outcome is not in the journal. `blamed`: a refused batch
    held it, and what stood before it was accepted, so the refused row is in here. `rest` is the range that
    is to blame if this one is accepted. `arrived`: the destination was seen to hold it. `questions`: how
    often the destination was read because no answer had come.
    """

    whole: Slice
    from_seq: int
    to_seq: int
    batch: Batch
    doubtful: bool = False
    blamed: bool = False
    rest: Parcel | None = None
    arrived: bool = False
    questions: int = 0

    @classmethod
    def of(cls, whole: Slice) -> Parcel:
        """All of a slice."""
        return cls(whole, whole.from_seq, whole.to_seq, whole.batch)

    @property
    def rows(self) -> int:
        """How many operations it holds."""
        return self.to_seq - self.from_seq

    def part(self, from_seq: int, to_seq: int) -> Parcel:
        """A smaller parcel, as doubtful as this one."""
        batch = self.whole.cut(from_seq, to_seq)
        return Parcel(self.whole, from_seq, to_seq, batch, doubtful=self.doubtful, questions=self.questions)

    def halves(self) -> tuple[Parcel, Parcel]:
        """Two parcels of at least one row each, the earlier operations first."""
        middle = (self.from_seq + self.to_seq) // 2
        left, right = self.part(self.from_seq, middle), self.part(middle, self.to_seq)
        left.rest = right
        return left, right
