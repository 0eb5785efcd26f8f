"""What a declared connector's file may say, and what a class it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from connectors.destination import Destination, LimitSettings, Target
from connectors.destinations.declared import load
from connectors.destinations.declared.format import ConnectorFile
from connectors.errors import ConfigError
from connectors.operation import Mode

FILE: dict[str, Any] = {
    "description": "An API.",
    "settings": {
        "api_key": {"description": "The key.", "secret": True},
        "region": {"description": "Where.", "choices": ["eu", "us"], "default": "eu"},
        "tries": {"description": "How often.", "type": "integer", "default": 3},
    },
    "base_url": "https://{settings.region}.api.example",
    "auth": {"type": "bearer", "token": "{settings.api_key}"},
    "limits": {"batch_size": 50, "requests_per_second": 5, "concurrency": 2, "batch_bytes": 9000},
    "objects": {
        "people": {
            "description": "Persons.",
            "fields": {"name": {"type": "string", "required": True}},
            "add": {"path": "/people", "row": "{record}"},
            "change": {"method": "PATCH", "path": "/people", "row": "{record}"},
            "remove": {"method": "DELETE", "path": "/people/{match.id}"},
        },
        "events": {"add": {"path": "/events", "row": {"e": "{record}"}, "body": {"events": "{rows}"}}},
    },
}


def made(folder: Path, content: Any = None, name: str = "my_api.yml") -> type[Destination]:
    """The class of a file with some content."""
    path = folder / name
    path.write_text(
        content if isinstance(content, str) else yaml.safe_dump(content or FILE, sort_keys=False),
        encoding="utf-8",
    )
    return load(path)


def problems(folder: Path, **changes: Any) -> dict[str | None, str]:
    """Words by key of a file with other members."""
    with pytest.raises(ConfigError) as caught:
        made(folder, {**FILE, **changes})
    assert {problem.file for problem in caught.value.problems} == {"my_api.yml"}
    return {problem.key: problem.message for problem in caught.value.problems}


def test_the_class_says_what_the_file_says(tmp_path: Path) -> None:
    """Name, description, limits, objects, modes and removals come from the file."""
    connector = made(tmp_path)
    assert (connector.__name__, connector.__doc__) == ("MyApi", "An API.")
    assert connector.modes == {Mode.UPSERT, Mode.INSERT, Mode.APPEND, Mode.MIRROR, Mode.UPDATE}
    assert connector.removals == {"delete"}
    people, events = connector.objects
    assert (people.name, people.description, people.fields[0].name) == ("people", "Persons.", "name")
    assert events.fields == ()
    limits = connector.limits_for(connector.Settings.model_validate({"api_key": "k"}))
    assert (limits.batch_size, limits.requests_per_second, limits.concurrency, limits.batch_bytes) == (
        50,
        5,
        2,
        9000,
    )


def test_the_settings_are_pydantics_own(tmp_path: Path) -> None:
    """Types, defaults, choices and secrets are checked; a schema describes each field."""
    model = made(tmp_path).Settings
    given_settings = model.model_validate({"api_key": "very-secret"})
    assert given_settings.model_dump(include={"region", "tries", "base_url"}) == {
        "region": "eu", "tries": 3, "base_url": None,
    }  # fmt: skip
    assert "very-secret" not in repr(given_settings)
    assert all(info.description for info in model.model_fields.values())
    assert model.model_json_schema()["properties"]["region"]["enum"] == ["eu", "us"]
    for wrong in (
        {},
        {"api_key": "k", "region": "mars"},
        {"api_key": "k", "tries": "x"},
        {"api_key": "k", "z": 1},
    ):
        with pytest.raises(ValidationError):
            model.model_validate(wrong)


def test_a_fixed_base_url_is_the_default_and_none_is_required(tmp_path: Path) -> None:
    """The user may always point a connector elsewhere, and must where the file does not say."""
    fixed = made(tmp_path, {**FILE, "base_url": "https://api.example"}).Settings
    assert fixed.model_validate({"api_key": "k"}).base_url == "https://api.example"  # type: ignore[attr-defined]  # a generated field
    absent = made(tmp_path, {key: value for key, value in FILE.items() if key != "base_url"}).Settings
    assert absent.model_fields["base_url"].is_required()


def test_rows_written_one_a_request_come_one_a_batch(tmp_path: Path) -> None:
    """A batch is never half sent when it has to be sent again."""
    connector = made(tmp_path, {**FILE, "objects": {"a": {"add": {"path": "/a", "body": "{record}"}}}})
    given_settings = connector.Settings.model_validate(
        {"api_key": "k", "limits": LimitSettings(batch_size=9)}
    )
    assert connector.limits_for(given_settings).batch_size == 1


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"colour": "red"}, "colour", "no key"),
        ({"objects": {}}, "objects", "at least 1"),
        ({"auth": {"type": "oauth9"}}, "auth", "oauth9"),
        ({"auth": {"type": "bearer"}}, "auth.token", "required"),
        ({"auth": {"type": "bearer", "token": "{settings.nope}"}}, "auth.token", "declared: api_key, region"),
        ({"auth": {"type": "bearer", "token": "{record.x}"}}, "auth.token", "what can: settings"),
        ({"headers": {"X-A": "{match.x}"}}, "headers.X-A", "cannot be used here"),
        ({"check": {"path": "/{key.id}"}}, "check.path", "cannot be used here"),
        ({"check": {"path": "me"}}, "check.path", "pattern"),
        ({"base_url": "https://{oops"}, "base_url", "a lone '{'"),
        ({"base_url": "ftp://files.example"}, "settings", "base_url"),
        ({"settings": {"a": {"description": "x", "type": "integer", "default": "x"}},
          "auth": {"type": "none"}, "base_url": None}, "settings", "a: "),
        ({"settings": {**FILE["settings"], "limits": {"description": "x"}}}, "settings.limits", "already"),
        ({"settings": {**FILE["settings"], "base_url": {"description": "x"}}}, "settings.base_url",
         "already"),
        ({"settings": {**FILE["settings"], "json": {"description": "x"}}}, "settings.json", "pydantic"),
        ({"settings": {**FILE["settings"], "s": {"description": "x", "secret": True, "choices": ["a"]}}},
         "settings.s", "choices"),
        ({"objects": {"a": {"description": "x"}}}, "objects.a", "nothing could be written"),
        ({"objects": {"a": {"add": {"path": "/{record.id}", "row": "{record}"}}}}, "objects.a.add.path",
         "cannot be used here"),
        ({"objects": {"a": {"add": {"path": "/", "row": "{record}", "body": {"x": 1}}}}},
         "objects.a.add.body", "no '{rows}'"),
        ({"objects": {"a": {"add": {"path": "/", "row": "{record}", "missing_ok": [404]}}}},
         "objects.a.add.missing_ok", "about one row"),
        ({"objects": {"a": {"add": {"path": "/", "row": "{record}", "errors": {"path": "e", "by": "id"}}}}},
         "objects.a.add.errors.row_id", "needed"),
        ({"objects": {"a": {"add": {"path": "/", "body": [{"x": "{a b}"}]}}}}, "objects.a.add.body.0.x",
         "no placeholder"),
        ({"objects": {"a": {"add": {"path": "/", "body": "{sync.x}"}}}}, "objects.a.add.body",
         "nothing stands below"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_key(tmp_path: Path, changes: dict[str, Any], key: str, words: str) -> None:
    """Each mistake has its dotted key and says what would be right."""
    found = problems(tmp_path, **changes)
    assert words in found[key]


def test_everything_wrong_is_reported_at_once(tmp_path: Path) -> None:
    """One look at the errors is enough to mend the file."""
    assert len(problems(tmp_path, colour=1, description="", limits={"batch_size": 0})) == 3
    assert len(problems(tmp_path, base_url="{", headers={"a": "{x}"})) == 2


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "\x00", "a: &a [*a]", "a: 1\n\tb: 2", "!!python/name:os.system"]
)
def test_a_file_that_is_no_mapping_is_an_error_not_a_traceback(tmp_path: Path, text: str) -> None:
    """Whatever stands in the file."""
    with pytest.raises(ConfigError, match=r"my_api\.yml"):
        made(tmp_path, text or "\n")


NODES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["{record}", "{x", "{settings.a}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(key=st.sampled_from(sorted(ConnectorFile.model_fields)), node=NODES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_of_any_key_loads_or_is_a_config_error(tmp_path: Path, key: str, node: Any) -> None:
    """No value of a top-level key is answered with a traceback."""
    try:
        made(tmp_path, {**FILE, key: node})
    except ConfigError as error:
        assert error.problems  # noqa: PT017  either outcome is right


@given(
    node=NODES,
    key=st.sampled_from(["path", "row", "body", "query", "headers", "errors", "statuses", "method"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_a_call_loads_or_is_a_config_error(tmp_path: Path, key: str, node: Any) -> None:
    """No value within a call is answered with a traceback."""
    try:
        made(tmp_path, {**FILE, "objects": {"a": {"add": {"path": "/", key: node}}}})
    except ConfigError as error:
        assert error.problems  # noqa: PT017  either outcome is right


TARGET = Target("people_to_api", "r", "people", Mode.UPSERT, ("id",), (), ("id",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"object": None}, "names no object"),
        ({"object": "planets"}, "has no object 'planets'"),
        (
            {"object": "events", "mode": Mode.MIRROR},
            "cannot take mode 'mirror'; it can: append, insert, upsert",
        ),
        ({"object": "events", "mode": Mode.UPDATE}, "cannot take mode"),
        ({"mode": Mode.MIRROR, "on_removed": "archive"}, "cannot 'archive' rows; it can: delete"),
    ],
)
async def test_a_sync_that_the_object_cannot_serve_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """Check and start both say what the object can do instead."""
    from dataclasses import replace

    connector = made(tmp_path)
    destination = connector(connector.Settings.model_validate({"api_key": "k"}), replace(TARGET, **changes))
    for method in (destination.start, destination.check):
        with pytest.raises(ConfigError, match=words):
            await method()


async def test_a_base_url_made_of_settings_must_be_one(tmp_path: Path) -> None:
    """A setting cannot bend the address out of shape."""
    content = {**FILE, "settings": {"host": {"description": "x"}}, "base_url": "https://{settings.host}",
               "auth": {"type": "none"}}  # fmt: skip
    connector = made(tmp_path, content)
    destination = connector(connector.Settings.model_validate({"host": "a:b@c.example"}), TARGET)
    with pytest.raises(ConfigError, match="user or password"):
        await destination.start()


async def test_a_secret_that_cannot_stand_in_a_header_is_refused(tmp_path: Path) -> None:
    """A line break in a token does not make a second header."""
    connector = made(tmp_path)
    destination = connector(connector.Settings.model_validate({"api_key": SecretStr("a\r\nX-B: c")}), TARGET)
    with pytest.raises(ConfigError, match="no header can carry"):
        await destination.start()
