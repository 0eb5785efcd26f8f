"""The conformance suite: what every connector must do, inherited in three lines.

    class TestCrm(DestinationSuite):
        def destination(self, target):
            return Crm(Crm.Settings(api_key="test", base_url=…), target)

Each hook that is overridden beside `destination` lets more be tested; a test whose hook is missing is skipped
and says which one it needs.
"""

# ruff: noqa: S101  a suite asserts

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from decimal import Decimal

import pytest

from connectors.batch import Batch
from connectors.destination import Replaces
from connectors.errors import Unauthorized, Unavailable
from connectors.operation import Mode
from connectors.testing.driving import call, checked, session
from connectors.testing.hooks import SuiteHooks, removed

__all__ = ["DestinationSuite"]

_LARGEST_BATCH_TRIED = 2_000


class DestinationSuite(SuiteHooks):
    """Inherit, override `destination`, and pytest runs every check."""

    # What the class says of itself

    def test_it_says_what_it_writes_to(self) -> None:
        """The class has a docstring: the list of destinations shows it."""
        assert (type(self._one()).__doc__ or "").strip()

    def test_every_setting_is_described(self) -> None:
        """Settings are what a user reads first: each field has a description."""
        fields = type(self._one()).Settings.model_fields
        assert [name for name, info in fields.items() if not info.description] == []

    def test_settings_refuse_unknown_keys(self) -> None:
        """A misspelt setting is an error, not silence."""
        assert type(self._one()).Settings.model_config.get("extra") == "forbid"

    def test_settings_have_a_json_schema(self) -> None:
        """Editors and documentation are fed from the settings' schema."""
        assert type(self._one()).Settings.model_json_schema()["properties"]

    def test_limits_are_sane(self) -> None:
        """Limits are positive, and what the engine will use is no more than asked for."""
        made = self._one()
        limits = made.limits_for(made.settings)
        assert limits.batch_size >= 1
        assert limits.concurrency >= 1
        assert limits.requests_per_second is None or limits.requests_per_second > 0
        assert limits.batch_bytes is None or limits.batch_bytes > 0

    def test_modes_and_removals_fit_together(self) -> None:
        """Replace needs the methods of `Replaces`, mirror a way to remove."""
        made = type(self._one())
        assert made.modes <= frozenset(Mode)
        assert made.removals <= {"delete", "clear", "archive"}
        assert Mode.REPLACE not in made.modes or issubclass(made, Replaces)
        assert Mode.MIRROR not in made.modes or made.removals

    # Connecting

    def test_check_passes(self) -> None:
        """With settings that work, the check says nothing; it needs no `start` before it."""
        made = self._one()
        asyncio.run(checked(made))

    def test_check_writes_nothing(self) -> None:
        """A check leaves the other side as it was."""
        before = dict(self.written())
        asyncio.run(checked(self._one()))
        assert dict(self.written()) == before

    def test_a_wrong_credential_is_unauthorized(self) -> None:
        """A refused credential stops the run, so it must be told apart."""
        made = self.wrong_credential()
        with pytest.raises(Unauthorized):
            asyncio.run(checked(made))

    def test_nobody_there_is_unavailable(self) -> None:
        """Where nothing can be reached, nothing was written, and a later try is worth it."""
        operations = self._adds(1)
        made = self.unreachable(self._target(operations))
        with pytest.raises(Unavailable):
            asyncio.run(session(made, operations))

    def test_close_without_start_does_no_harm(self) -> None:
        """A run may end before its destination was opened."""
        asyncio.run(call(self._one().close))

    def test_write_after_close_raises(self) -> None:
        """A closed destination takes nothing in silence."""
        operations = self._adds(1)

        made = self.destination(self._target(operations))

        async def late() -> None:
            await session(made, operations)
            with pytest.raises(Exception, match=r"."):
                await call(made.write, Batch.of(self._adds(1)))

        asyncio.run(late())

    # Rows

    def test_rows_arrive(self) -> None:
        """What is added is held, field by field."""
        self._arrives(self._adds(3))

    def test_an_empty_batch_makes_no_request(self) -> None:
        """Nothing to write, nothing sent."""
        before = self.requests()
        assert self._write([]) == []
        assert self.requests() == before

    def test_a_row_sent_twice_is_one_row(self) -> None:
        """Delivery is at least once: an upsert that is repeated changes nothing."""
        self._needs(Mode.UPSERT)
        operations = self._adds(2)
        self._write(operations)
        held = dict(self.written())
        self._arrives(operations)
        assert len(self.written()) == len(held)

    def test_a_change_is_held(self) -> None:
        """A changed row holds its new values."""
        self._needs(Mode.UPSERT)
        [added] = self._adds(1)
        self._write([added])
        self._arrives([self._changed(added)])

    def test_several_batches_in_one_run(self) -> None:
        """A run writes batch after batch through one instance."""
        first, second = self._adds(2), self._adds(2)

        async def both() -> None:
            made = self.destination(self._target([*first, *second]))
            await call(made.start)
            try:
                assert await call(made.write, Batch.of(first)) == []
                assert await call(made.write, Batch.of(second)) == []
            finally:
                await call(made.close)

        asyncio.run(both())
        self._held([*first, *second])

    def test_any_sequence_of_operations_is_taken(self) -> None:
        """A batch is a sequence; a plain list is one too."""
        operations = self._adds(2)
        assert asyncio.run(session(self.destination(self._target(operations)), operations, batch=list)) == []
        self._held(operations)

    def test_a_batch_of_exactly_the_limit(self) -> None:
        """The limit is the number of rows that still works."""
        made = self._one()
        self._arrives(self._adds(min(made.limits_for(made.settings).batch_size, _LARGEST_BATCH_TRIED)))

    # Values

    def test_unicode_of_every_plane(self) -> None:
        """Texts arrive as they are: no plane, direction, quote or control is lost."""
        texts = [
            "Zoë Ünïcode",
            "日本語",
            "😀👩‍👩‍👧‍👦",
            "\U00020000\U000e0041",
            "עברית",
            "'\"\\ {record} %00 ;--",
            "a\tb\nc",
        ]
        self._arrives([self._add(name=text) for text in texts])

    def test_long_texts(self) -> None:
        """A long text arrives whole or is refused, never cut."""
        operations = [self._add(name="x" * 10_000 + "end"), self._add()]
        refused = self._write(operations)
        self._held([o for o in operations if o.seq not in {r.operation.seq for r in refused}])

    def test_numbers(self) -> None:
        """Integers, fractions and decimals keep their value, beyond what a double holds too."""
        self._arrives([self._add(visits=n) for n in (0, -1, 2**31, 2**53 + 1, -(2**63))])
        self._arrives([self._add(score=n) for n in (0.1, -1e-9, 1e15)])
        self._arrives([self._add(amount=Decimal(text)) for text in ("0.10", "-12345.67", "99999999.99")])

    def test_dates_and_times(self) -> None:
        """Dates stay dates; an instant stays the same instant in every zone."""
        zone = dt.timezone(dt.timedelta(hours=5, minutes=45))
        instants = [
            dt.datetime(2026, 3, 29, 1, 30, tzinfo=zone),
            dt.datetime(1999, 12, 31, 23, 59, tzinfo=dt.UTC),
        ]
        self._arrives([self._add(seen=instant) for instant in instants])
        self._arrives([self._add(born=dt.date(1900, 2, 28)), self._add(born=dt.date(2024, 2, 29))])

    def test_booleans_and_nulls(self) -> None:
        """False is not null, and null is not an empty text."""
        self._arrives([self._add(active=False), self._add(active=True)])
        self._arrives([self._add(name=None), self._add(name="")])

    def test_a_null_takes_a_value_away(self) -> None:
        """A value that becomes null does not stay behind."""
        self._needs(Mode.UPSERT)
        added = self._add(name="here")
        self._write([added])
        self._arrives([self._changed(added, name=None)])

    # Removing

    def test_a_removed_row_is_gone(self) -> None:
        """With `on_removed: delete`, what is removed is no longer held."""
        self._needs_delete()
        stays, goes = self._adds(2)
        self._write([stays, goes])
        assert self._write([removed(goes)], mode=Mode.MIRROR) == []
        assert self._name(goes) not in self.written()
        self._held([stays])

    def test_removing_what_is_not_there_does_no_harm(self) -> None:
        """A remove that is repeated, or of a row that somebody else deleted, is done."""
        self._needs_delete()
        [never_sent] = self._adds(1)
        assert self._write([removed(never_sent)], mode=Mode.MIRROR) == []

    # Refusals

    def test_a_bad_row_costs_that_row_only(self) -> None:
        """In the middle of good rows, one that is refused is the only one that is."""
        bad = self._add_of(self.bad_record())
        operations = [*self._adds(3), bad, *self._adds(3)]
        refused = self._write(operations)
        assert [rejection.operation.seq for rejection in refused] == [bad.seq]
        self._held([operation for operation in operations if operation is not bad])

    def test_a_rejection_says_what_is_wrong(self) -> None:
        """A rejection names an operation of the batch and carries a code and words."""
        bad = self._add_of(self.bad_record())
        [rejection] = self._write([bad])
        assert rejection.operation == bad
        assert rejection.code
        assert rejection.message

    def test_the_same_rows_carry_the_same_idempotency_key(self) -> None:
        """A batch that is sent again can be recognised; another batch is told apart."""
        before = len(self.idempotency_keys())
        operations = self._adds(2)
        self._write(operations)
        self._write(operations)
        self._write(self._adds(2))
        again = self.idempotency_keys()[before:]
        third = len(again) // 3
        assert third
        assert again[:third] == again[third : 2 * third]
        assert not set(again[:third]) & set(again[2 * third :])

    def test_no_secret_shows(self, caplog: pytest.LogCaptureFixture) -> None:
        """No secret is in the instance's or the settings' repr, nor in what is logged at any level."""
        if not self.secrets:
            pytest.skip("needs the hook `secrets`: the secrets in the settings")
        operations = self._adds(1)
        made = self.destination(self._target(operations))
        with caplog.at_level(logging.DEBUG):
            asyncio.run(checked(made))
            asyncio.run(session(made, operations))
        shown = repr(made) + repr(made.settings) + str(made.settings) + caplog.text
        assert [secret for secret in self.secrets if secret in shown] == []
