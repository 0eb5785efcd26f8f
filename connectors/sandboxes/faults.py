"""What goes wrong between a client and an API, on demand and the same way every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from connectors.errors import ConfigError

__all__ = ["FAULTS", "Fault", "Faults"]

Fault = Literal["429", "500", "html502", "drop_before", "drop_after", "slow", "truncate"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""429, 500 and html502 answer so and do nothing; drop_before and drop_after close the connection before and
after the work is done; slow answers late; truncate does the work and sends half of the answer."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Each fault's share of the requests."""

    shares: dict[Fault, float]

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read `429:0.05,slow:0.1`: faults and their shares of the requests; nothing means none.

        Raises:
            ConfigError: a fault nobody knows, a share that is none, or shares above 1 together.
        """
        shares: dict[Fault, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, share = part.partition(":")
            fault = next((known for known in FAULTS if known == name.strip()), None)
            if fault is None:
                raise ConfigError(f"no fault is called '{name.strip()}'; there are {', '.join(FAULTS)}")
            shares[fault] = _share(fault, share)
        if sum(shares.values()) > 1:
            raise ConfigError(f"the faults' shares add up to {sum(shares.values()):g}; at most 1 is possible")
        return cls(shares)

    def strikes(self, seed: int) -> Iterator[Fault | None]:
        """For one request after the other the fault that strikes it, or none; the same for the same seed."""
        rng = random.Random(seed)  # noqa: S311 - faults are no secret
        outcomes: list[Fault | None] = [*self.shares, None]
        weights = [*self.shares.values(), 1 - sum(self.shares.values())]
        while True:
            yield rng.choices(outcomes, weights)[0]


def _share(fault: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ConfigError(
            f"the share of fault '{fault}' is '{text}'; it is a number from 0 to 1, as in {fault}:0.05"
        )
    return share
