"""The Redis destination: a hash or a JSON text a row, or members of a set.

- `hash`: one field a value, nested values under dotted names, lists as JSON; a null removes its field.
- `json`: the record as one JSON text; written whole, so `nulls: omit` leaves nothing behind.
- `set`: the row's identity is a member of the set while the row is there: an audience.

A batch is one MULTI … EXEC: other clients see all of it or nothing. A command that fails inside, as on a key
of another type, rejects its row; Redis runs the others. Where a row's identity changed, its old key goes.
In the modes insert and update the keys are watched, looked at, and written only if nobody touched them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from urllib.parse import quote

import orjson
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.destination import Destination, DestinationSettings, Limits
from connectors.errors import (
    BatchRefused,
    ConfigError,
    DestinationError,
    OutcomeUnknown,
    Unauthorized,
    Unavailable,
)
from connectors.operation import Kind, Mode, Operation, Rejection
from connectors.redaction import redactor
from connectors.values import on_wire

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client
    from redis.asyncio.client import Pipeline

__all__ = ["Redis", "RedisSettings"]

_SAFE_IN_A_KEY = "!$&'()+,-./;<=>@^_`|~"
_MISSING = object()


class RedisSettings(DestinationSettings):
    """Where Redis is, and how rows are kept there."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr = Field(
        description="redis://, rediss:// (with TLS) or unix://, with user, password and database."
    )
    store_as: Literal["hash", "json", "set"] = Field(
        default="hash", description="A hash a row, a JSON text a row, or one set with a member a row."
    )
    key: str | None = Field(
        default=None,
        min_length=1,
        description="Template of keys with {sync}, {object} and {key} (the row's identity, percent-encoded, "
        "several joined by a colon). `{sync}:{key}` where it is not set; for a set `{sync}`.",
    )
    ttl_seconds: int | None = Field(
        default=None, ge=1, description="Keys end this long after they were last written; never, if not set."
    )
    timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="How long to wait for a connection or an answer."
    )

    @field_validator("url")
    @classmethod
    def _has_a_scheme(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("starts with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _template_holds(self) -> Self:
        template = self.template
        try:
            template.format(sync="s", object="o", key="k")
        except (KeyError, IndexError, ValueError, AttributeError):
            raise ValueError(
                "`key` takes {sync}, {object} and {key}; a brace of its own is doubled"
            ) from None
        if ("{key}" in template) == (self.store_as == "set"):
            raise ValueError(
                "`key` needs {key}, as each row has its own; and never for a set, which all share"
            )
        return self

    @property
    def template(self) -> str:
        """The template of keys that holds."""
        return self.key or ("{sync}" if self.store_as == "set" else "{sync}:{key}")


class Redis(Destination):
    """Keeps rows under keys of Redis, or as members of a set."""

    Settings: ClassVar[type[DestinationSettings]] = RedisSettings
    limits = Limits(batch_size=1000, concurrency=4)
    modes = frozenset({Mode.UPSERT, Mode.MIRROR, Mode.INSERT, Mode.UPDATE})
    removals = frozenset({"delete", "clear"})

    settings: RedisSettings

    async def start(self) -> None:
        """Open the client.

        Raises:
            ConfigError: the redis package is missing, or the sync asks for what the way of storing cannot do.
        """
        clears = self.target.mode is Mode.MIRROR and self.target.on_removed == "clear"
        if clears and self.settings.store_as != "hash":
            raise ConfigError("`on_removed: clear` empties the fields of a hash; use `delete` otherwise")
        self._open()

    async def check(self) -> None:
        """Connect, log in and ask for an answer."""
        client = self._open()
        async with _told_in_our_terms(sent=False):
            await client.ping()

    async def write(self, batch: Sequence[Operation]) -> list[Rejection]:
        """Write the rows in one transaction."""
        if not len(batch):
            return []
        async with _told_in_our_terms(sent=False):
            # An answer now tells a server that is away from one that went away while it wrote.
            await self._client.ping()
        async with _told_in_our_terms(sent=True), self._client.pipeline(transaction=True) as pipe:
            if self.target.mode in {Mode.INSERT, Mode.UPDATE} and self.settings.store_as != "set":
                return await self._write_where(pipe, batch)
            return await self._run(pipe, batch)

    async def read(self, operations: Sequence[Operation]) -> list[Mapping[str, Any] | None]:
        """What each row's key holds: a hash's fields as texts, a JSON record; of a set's member nothing."""
        async with _told_in_our_terms(sent=False), self._client.pipeline(transaction=False) as pipe:
            for operation in operations:
                self._queue_read(pipe, operation.match)
            found = await pipe.execute()
        return [self._as_record(held) for held in found]

    async def close(self) -> None:
        """Close all connections."""
        if hasattr(self, "_client"):
            await self._client.aclose()
            del self._client

    def _open(self) -> Client:
        if not hasattr(self, "_client"):
            try:
                from redis.asyncio import Redis as Opened
                from redis.asyncio.retry import Retry
                from redis.backoff import NoBackoff
            except ImportError:
                raise ConfigError(
                    "redis needs a package that is not installed: pip install headrace[redis]"
                ) from None
            url = self.settings.url.get_secret_value()
            if "@" in url:
                redactor.register(url)
            seconds = self.settings.timeout_seconds
            try:
                self._client: Client = Opened.from_url(
                    url,
                    socket_timeout=seconds,
                    socket_connect_timeout=seconds,
                    # Trying again is the engine's: a retry down here would hide an outcome that is unknown.
                    retry=Retry(NoBackoff(), 0),
                )
            except ValueError:
                raise ConfigError("the `url` of a redis destination cannot be understood") from None
        return self._client

    # --- Names

    def _key(self, match: Mapping[str, Any]) -> str:
        identity = ":".join(_encoded(value) for value in match.values())
        return self.settings.template.format(
            sync=self.target.sync, object=_encoded(self.target.object or ""), key=identity
        )

    def _member(self, match: Mapping[str, Any]) -> str:
        values = list(match.values())
        # One identifier stands as it is: whoever asks for membership has it in its plain form.
        return _text(values[0]) if len(values) == 1 else ":".join(_encoded(value) for value in values)

    # --- Writing

    async def _run(self, pipe: Pipeline, operations: Sequence[Operation]) -> list[Rejection]:
        """Queue each operation's commands, execute them as one, and find the rows whose commands failed."""
        now_taken = {self._address(o.match) for o in operations if o.kind is not Kind.REMOVE}
        owners: list[Operation] = []
        for operation in operations:
            self._queue(pipe, operation, now_taken)
            owners += [operation] * (len(pipe) - len(owners))
        answers = await pipe.execute(raise_on_error=False)
        failed: dict[int, Rejection] = {}
        for operation, answer in zip(owners, answers, strict=True):
            if isinstance(answer, Exception):
                failed.setdefault(operation.seq, _rejection(operation, answer))
        return list(failed.values())

    def _address(self, match: Mapping[str, Any]) -> str:
        return self._member(match) if self.settings.store_as == "set" else self._key(match)

    def _queue(self, pipe: Pipeline, operation: Operation, now_taken: set[str]) -> None:
        if operation.kind is Kind.REMOVE:
            self._queue_removal(pipe, operation)
            return
        before = operation.previous_match
        if before is not None and self._address(before) not in now_taken:
            self._queue_deletion(pipe, before)
        key = self._key(operation.match)
        if self.settings.store_as == "set":
            pipe.sadd(key, self._member(operation.match))
        elif self.settings.store_as == "json":
            pipe.set(key, orjson.dumps(on_wire(operation.record)))
        else:
            kept, gone = _hash_fields(self.target.fields, operation.record or {}, operation.previous)
            if gone:
                pipe.hdel(key, *gone)
            if kept:
                pipe.hset(key, items=[part for pair in kept.items() for part in pair])
        if self.settings.ttl_seconds is not None:
            pipe.expire(key, self.settings.ttl_seconds)

    def _queue_removal(self, pipe: Pipeline, operation: Operation) -> None:
        if self.target.on_removed == "clear":
            _, gone = _hash_fields(self.target.fields, {}, operation.previous)
            fields = [*dict.fromkeys([*self.target.fields, *gone, *_flat(operation.previous or {})])]
            pipe.hdel(self._key(operation.match), *fields)
        else:
            self._queue_deletion(pipe, operation.match)

    def _queue_deletion(self, pipe: Pipeline, match: Mapping[str, Any]) -> None:
        if self.settings.store_as == "set":
            pipe.srem(self._key(match), self._member(match))
        else:
            pipe.unlink(self._key(match))

    # --- Insert and update

    async def _write_where(self, pipe: Pipeline, batch: Sequence[Operation]) -> list[Rejection]:
        """Write only new keys (insert) or only keys that are there (update)."""
        from redis.exceptions import ResponseError

        keys = [self._key(operation.previous_match or operation.match) for operation in batch]
        await pipe.watch(*keys)
        async with self._client.pipeline(transaction=False) as reading:
            for operation in batch:
                self._queue_read(reading, operation.previous_match or operation.match)
            found = await reading.execute(raise_on_error=False)
        rejected: list[Rejection] = []
        chosen: list[Operation] = []
        for operation, held in zip(batch, found, strict=True):
            if isinstance(held, ResponseError):
                rejected.append(_rejection(operation, held))
            elif self.target.mode is Mode.UPDATE:
                chosen += [operation] if held else []
            elif not held:
                chosen.append(operation)
            elif not self._is_same(operation, held):
                rejected.append(Rejection(operation, "exists", "a key with this identity is there already"))
        pipe.multi()  # type: ignore[no-untyped-call]  # redis has no type for it
        return rejected + (await self._run(pipe, chosen) if chosen else [])

    def _queue_read(self, pipe: Pipeline, match: Mapping[str, Any]) -> None:
        key = self._key(match)
        if self.settings.store_as == "set":
            pipe.sismember(key, self._member(match))
        elif self.settings.store_as == "json":
            pipe.get(key)
        else:
            pipe.hgetall(key)

    def _is_same(self, operation: Operation, held: Any) -> bool:
        """Whether a key holds what would be written, as after a batch that is sent again."""
        if self.settings.store_as == "json":
            return bool(held == orjson.dumps(on_wire(operation.record)))
        kept, _ = _hash_fields(self.target.fields, operation.record or {}, None)
        return bool({name.encode(): value.encode() for name, value in kept.items()} == held)

    def _as_record(self, held: Any) -> Mapping[str, Any] | None:
        if not held:
            return None
        if self.settings.store_as == "json":
            record: Mapping[str, Any] = orjson.loads(held)
            return record
        if self.settings.store_as == "set":
            return {}
        return {name.decode(): value.decode() for name, value in held.items()}


def _text(value: Any) -> str:
    form = on_wire(value)
    return form if isinstance(form, str) else orjson.dumps(form).decode()


def _encoded(value: Any) -> str:
    """A value as a part of a key: a colon, a brace, a glob, a space or a control never comes from a value."""
    return quote(_text(value), safe=_SAFE_IN_A_KEY)


def _flat(record: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{path}{name}.")
        else:
            flat[f"{path}{name}"] = value
    return flat


def _value_at(record: Mapping[str, Any] | None, field: str) -> Any:
    level: Any = record
    for name in field.split("."):
        if not isinstance(level, Mapping) or name not in level:
            return _MISSING
        level = level[name]
    return level


def _hash_fields(
    fields: Iterable[str], record: Mapping[str, Any], previous: Mapping[str, Any] | None
) -> tuple[dict[str, str], list[str]]:
    """A hash's fields to set, and those to remove: the nulls, and what a nested value no longer has.

    A field that the record omits is left as it is.
    """
    kept: dict[str, str] = {}
    gone: dict[str, None] = {}
    for field in fields:
        value = _value_at(record, field)
        if value is _MISSING:
            continue
        before = _value_at(previous, field)
        if before is not _MISSING:
            gone |= dict.fromkeys(_flat({field: before}))
        for name, leaf in _flat({field: value}).items():
            form = on_wire(leaf)
            if form is None:
                gone[name] = None
            else:
                kept[name] = form if isinstance(form, str) else orjson.dumps(form).decode()
    return kept, [name for name in gone if name not in kept]


# --- Errors


def _rejection(operation: Operation, answer: Exception) -> Rejection:
    # Only the code: behind it may stand what was sent.
    if "WRONGTYPE" in str(answer):
        return Rejection(operation, "WRONGTYPE", "the key holds a value of another type")
    code = re.match(r"[A-Z]+\b", str(answer))
    return Rejection(operation, code[0] if code else "ERR", f"Redis refuses it: {type(answer).__name__}")


@asynccontextmanager
async def _told_in_our_terms(*, sent: bool) -> AsyncIterator[None]:
    """Redis's errors as ours. `sent` says that a batch may have arrived before the connection was lost."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise _error(error, sent=sent) from None


def _error(error: Exception, *, sent: bool) -> DestinationError:
    from redis import exceptions as told

    words = redactor.redact(str(error)).splitlines()[0] if str(error) else type(error).__name__
    denied = (told.AuthenticationError, told.AuthorizationError, told.NoPermissionError)
    if isinstance(error, denied) or words.startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return Unauthorized(f"Redis refuses the login or the command: {words}")
    busy = (
        told.BusyLoadingError,
        told.WatchError,
        told.ReadOnlyError,
        told.TryAgainError,
        told.MaxConnectionsError,
    )
    if isinstance(error, (*busy, told.OutOfMemoryError, told.ExecAbortError, told.ClusterDownError)):
        return Unavailable(f"Redis cannot take writes now: {words}")
    if isinstance(error, told.ConnectionError | told.TimeoutError):
        if sent:
            return OutcomeUnknown(f"the connection to Redis was lost while a batch was written: {words}")
        return Unavailable(f"Redis does not answer: {words}")
    if words.startswith(
        ("LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "READONLY")
    ):
        return Unavailable(f"Redis cannot take writes now: {words}")
    return BatchRefused(f"Redis refuses the batch: {type(error).__name__}", code="refused")
