"""The Redis destination against a real Redis."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest
import redis
from pydantic import ValidationError

from connectors.batch import Batch
from connectors.destination import Target
from connectors.destinations.redis import Redis, RedisSettings
from connectors.errors import ConfigError, OutcomeUnknown, Unauthorized, Unavailable
from connectors.operation import Kind, Mode, Operation, Rejection


class Bench:
    """One Redis, one prefix, and rows to write there."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self.client = redis.Redis.from_url(url, decode_responses=True)

    async def write(
        self,
        *operations: Operation,
        mode: Mode = Mode.MIRROR,
        fields: tuple[str, ...] = ("name", "more"),
        on_removed: Any = "delete",
        **settings: Any,
    ) -> list[Rejection]:
        """Deliver one batch; keys are the prefix and the id."""
        shared = settings.get("store_as") == "set"
        given = {"url": self.url, "key": self.prefix + ("set" if shared else "{key}")} | settings
        asked = Target("s", "r", None, mode, ("id",), (), fields, on_removed)
        made = Redis(RedisSettings.model_validate(given), asked)
        await made.start()
        try:
            return await made.write(Batch.of(operations))
        finally:
            await made.close()


@pytest.fixture
def bench(redis_url: str, redis_prefix: str) -> Any:
    """A place of the test's own."""
    made = Bench(redis_url, redis_prefix)
    yield made
    made.client.close()


def operation(
    kind: str,
    key: Any,
    record: dict[str, Any] | None = None,
    previous: dict[str, Any] | None = None,
    was: Any = None,
) -> Operation:
    """An operation on the row of that id."""
    before = None if was is None else {"id": was}
    return Operation(hash(str(key)), Kind(kind), {"id": key}, {"id": key}, record, previous, before)


async def test_a_hash_has_a_field_a_value(bench: Bench) -> None:
    """Nested values get dotted names, lists are JSON, nulls have no field."""
    record = {"name": "ü", "more": {"a": 1, "b": {"c": [1, None]}, "n": None}, "x": Decimal("1.50")}
    record |= {"at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "nan": math.nan, "yes": True}
    await bench.write(operation("add", 1, record), fields=tuple(record))
    assert bench.client.hgetall(f"{bench.prefix}1") == {
        "name": "ü",
        "more.a": "1",
        "more.b.c": "[1,null]",
        "x": "1.5",
        "at": "2026-01-02T00:00:00Z",
        "yes": "true",
    }


async def test_a_hash_loses_what_the_row_lost_and_nothing_else(bench: Bench) -> None:
    """Nulls and vanished nested values go; omitted fields and those of others stay."""
    before = {"name": "a", "more": {"x": 1, "y": 2}}
    await bench.write(operation("add", 1, before))
    bench.client.hset(f"{bench.prefix}1", "others", "kept")
    await bench.write(operation("change", 1, {"more": {"y": 3}}, before))
    assert bench.client.hgetall(f"{bench.prefix}1") == {"name": "a", "more.y": "3", "others": "kept"}
    await bench.write(operation("change", 1, {"name": None, "more": {"y": 3}}, before))
    assert bench.client.hgetall(f"{bench.prefix}1") == {"more.y": "3", "others": "kept"}
    await bench.write(operation("remove", 1, None, {"more": {"y": 3}}), on_removed="clear")
    assert bench.client.hgetall(f"{bench.prefix}1") == {"others": "kept"}
    await bench.write(operation("remove", 1))
    assert not bench.client.exists(f"{bench.prefix}1")


async def test_json_holds_the_record_and_ends_in_time(bench: Bench) -> None:
    """The record is one JSON text, with a time to live where one is set."""
    record = {"name": "a", "more": {"b": [1, 2.5]}}
    await bench.write(operation("add", "k", record), store_as="json", ttl_seconds=1000)
    assert bench.client.get(f"{bench.prefix}k") == '{"name":"a","more":{"b":[1,2.5]}}'
    assert 900 < int(bench.client.ttl(f"{bench.prefix}k")) <= 1000
    await bench.write(operation("remove", "k"), store_as="json")
    assert bench.client.get(f"{bench.prefix}k") is None


async def test_a_set_holds_its_members_as_they_are(bench: Bench) -> None:
    """An audience has the plain identifiers, moves them and loses them."""
    add = [operation("add", who, {}) for who in ("a@x.example", "b:ü", 3)]
    await bench.write(*add, store_as="set")
    assert bench.client.smembers(f"{bench.prefix}set") == {"a@x.example", "b:ü", "3"}
    await bench.write(operation("remove", 3), operation("change", "n", {}, was="b:ü"), store_as="set")
    assert bench.client.smembers(f"{bench.prefix}set") == {"a@x.example", "n"}


async def test_hostile_identities_get_keys_of_their_own(bench: Bench) -> None:
    """A colon, brace, blank or line end in a value cannot make another row's key."""
    hostile = ["a:b", "a%3Ab", "{x}", "a b\r\nSET x 1", "*", "ü", ""]
    await bench.write(*(operation("add", key, {"name": str(key)}) for key in hostile))
    found = {bench.client.hget(key, "name") for key in bench.client.scan_iter(f"{bench.prefix}*")}
    assert found == {str(key) for key in hostile}
    assert bench.client.exists(f"{bench.prefix}a%3Ab", f"{bench.prefix}a%253Ab", f"{bench.prefix}%2A") == 3


async def test_a_changed_identity_takes_its_old_key_along(bench: Bench) -> None:
    """The old key goes, except where another row of the batch has it now."""
    await bench.write(operation("add", 1, {"name": "1"}), operation("add", 2, {"name": "2"}))
    swap = [operation("change", 2, {"name": "1"}, was=1), operation("change", 1, {"name": "2"}, was=2)]
    await bench.write(*swap)
    assert [bench.client.hget(f"{bench.prefix}{n}", "name") for n in (1, 2)] == ["2", "1"]
    await bench.write(operation("change", 3, {"name": "1"}, was=2))
    assert bench.client.exists(f"{bench.prefix}2") == 0


@pytest.mark.parametrize("store_as", ["hash", "json"])
async def test_insert_and_update_look_first(bench: Bench, store_as: str) -> None:
    """Insert refuses a key that is there with other values; update leaves a missing one missing."""
    asked: dict[str, Any] = {"store_as": store_as}
    one = operation("add", 1, {"name": "a"})
    assert await bench.write(one, mode=Mode.INSERT, **asked) == []
    assert await bench.write(one, mode=Mode.INSERT, **asked) == []
    other = operation("add", 1, {"name": "b"})
    [rejection] = await bench.write(other, operation("add", 2, {"name": "c"}), mode=Mode.INSERT, **asked)
    assert (rejection.code, rejection.operation) == ("exists", other)
    assert bench.client.exists(f"{bench.prefix}2")
    changes = [operation("change", 1, {"name": "d"}), operation("change", 9, {"name": "d"})]
    assert await bench.write(*changes, mode=Mode.UPDATE, **asked) == []
    assert bench.client.exists(f"{bench.prefix}1", f"{bench.prefix}9") == 1


async def test_a_key_of_another_type_rejects_its_row(bench: Bench) -> None:
    """The row whose key holds something else is refused; the others of its batch are written."""
    bench.client.set(f"{bench.prefix}1", "text")
    one, two = operation("add", 1, {"name": "secret"}), operation("add", 2, {"name": "b"})
    [rejection] = await bench.write(one, two)
    assert (rejection.code, rejection.operation) == ("WRONGTYPE", one)
    assert "secret" not in rejection.message
    assert bench.client.hget(f"{bench.prefix}2", "name") == "b"


async def test_a_login_that_is_refused_is_unauthorized(redis_url: str) -> None:
    """A wrong password ends the run, and does not show."""
    wrong = redis_url.replace("redis://", "redis://nobody:hunter22@")
    made = Redis(RedisSettings.model_validate({"url": wrong}))
    with pytest.raises(Unauthorized) as raised:
        await made.check()
    await made.close()
    assert "hunter22" not in str(raised.value) + repr(made.settings)


async def test_a_server_that_is_away_is_unavailable() -> None:
    """Nothing was sent, so another try is worth it."""
    made = Redis(RedisSettings.model_validate({"url": "redis://127.0.0.1:1"}))
    with pytest.raises(Unavailable):
        await made.check()
    await made.close()


async def test_a_full_server_is_unavailable_and_a_lost_answer_unknown() -> None:
    """What Redis says when it takes no writes is for later; silence after sending is not known."""
    from redis import exceptions as told

    from connectors.destinations.redis import _error

    for error in (told.OutOfMemoryError("x"), told.BusyLoadingError("x"), told.ResponseError("BUSY x")):
        assert isinstance(_error(error, sent=True), Unavailable)
    assert isinstance(_error(told.TimeoutError("x"), sent=True), OutcomeUnknown)
    assert isinstance(_error(told.NoPermissionError("x"), sent=True), Unauthorized)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://x"},
        {"key": "{nope}:{key}"},
        {"key": "no_row"},
        {"key": "{key"},
        {"key": "{key.__class__}"},
        {"store_as": "set", "key": "{key}"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, str]) -> None:
    """Schemes and templates are checked before anything runs."""
    with pytest.raises(ValidationError):
        RedisSettings.model_validate({"url": "redis://127.0.0.1"} | settings)


async def test_clear_is_for_hashes(bench: Bench) -> None:
    """A JSON text has no fields to empty."""
    with pytest.raises(ConfigError, match="clear"):
        await bench.write(store_as="json", on_removed="clear")


async def test_read_gives_what_is_held(bench: Bench) -> None:
    """Each way of storing is read back by identity."""
    for store_as, held in (("hash", {"name": "a"}), ("json", {"name": "a"}), ("set", {})):
        shared = store_as == "set"
        given = {
            "url": bench.url,
            "store_as": store_as,
            "key": f"{bench.prefix}{store_as}" + ("" if shared else "{key}"),
        }
        asked = Target("s", "r", None, Mode.UPSERT, ("id",), (), ("name",))
        made = Redis(RedisSettings.model_validate(given), asked)
        await made.start()
        one = operation("add", 1, {"name": "a"})
        await made.write(Batch.of([one]))
        assert await made.read([one, operation("add", 2)]) == [held, None]
        await made.close()
