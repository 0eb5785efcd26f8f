"""The conformance suite on the Redis destination, with hashes and JSON texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
import redis

from connectors.destination import Destination, Target
from connectors.destinations.redis import Redis, RedisSettings
from connectors.testing import DestinationSuite
from connectors.values import on_wire


class RedisSuite(DestinationSuite):
    """What the ways of storing share: keys below a prefix of the test's own."""

    store_as: str

    @pytest.fixture(autouse=True)
    def _prefix(self, redis_url: str, redis_prefix: str) -> Iterator[None]:
        self.url, self.prefix = redis_url, redis_prefix
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            self.client = client
            yield

    def destination(self, target: Target | None) -> Destination:
        """Writes below the prefix."""
        return self._made(self.url, target)

    def _made(self, url: str, target: Target | None) -> Destination:
        settings = {"url": url, "key": self.prefix + "{key}", "store_as": self.store_as}
        return Redis(RedisSettings.model_validate(settings), target)

    def unreachable(self, target: Target | None) -> Destination:
        """A port where nobody listens."""
        return self._made("redis://127.0.0.1:1", target)

    def wrong_credential(self) -> Destination:
        """A user that does not exist."""
        return self._made(self.url.replace("redis://", "redis://nobody:hunter22@"), None)

    def bad_record(self) -> dict[str, Any]:
        """A row whose key holds a value of another type."""
        if self.store_as == "json":
            return pytest.skip("SET takes the place of any type: Redis refuses no JSON text")
        self.client.set(f"{self.prefix}bad@example.com", "text")
        return self.record(0) | {"email": "bad@example.com"}

    def written(self) -> Mapping[str, Mapping[str, Any]]:
        """What each key below the prefix holds."""
        keys = list(self.client.scan_iter(f"{self.prefix}*", count=5000))
        held = {unquote(key.removeprefix(self.prefix)): self.held(key) for key in keys}
        return {name: row for name, row in held.items() if row is not None}

    def held(self, key: str) -> Mapping[str, Any] | None:
        """What a key holds, None where it is of another type."""
        raise NotImplementedError


class TestRedisJson(RedisSuite):
    """A JSON text a row."""

    store_as = "json"

    def held(self, key: str) -> Mapping[str, Any] | None:
        """The text, read."""
        record: Mapping[str, Any] = orjson.loads(str(self.client.get(key)))
        return record


class TestRedisHash(RedisSuite):
    """A hash a row."""

    store_as = "hash"

    def held(self, key: str) -> Mapping[str, Any] | None:
        """The fields, as texts."""
        return dict(self.client.hgetall(key)) if self.client.type(key) == "hash" else None

    def same(self, sent: Any, held: Any) -> bool:
        """In a hash every value is a text, and null is a field that is not there."""
        form = on_wire(sent)
        if form is None:
            return held is None
        return bool(held == (form if isinstance(form, str) else orjson.dumps(form).decode()))
