"""Secrets are filled in late, and found in no text afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, SecretStr

from connectors.destination import Destination, DestinationSettings
from connectors.errors import ConfigError
from connectors.redaction import Redactor, redactor
from models.loading import load_project
from models.resolved import resolved_destination, resolved_source
from models.secrets import fill_in
from models.yaml_file import parse_yaml


def _filled(text: str, root: Path) -> object:
    document = parse_yaml(text.encode(), "destinations/x.yml")
    return fill_in(document.data, document, root)


def test_secrets_come_from_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms are filled in anywhere in a text; the line break at a file's end goes."""
    monkeypatch.setenv("HEADRACE_T_TOKEN", "s3cr3t-token")
    (tmp_path / "key").write_text("from-a-file\n")
    filled = _filled("a: Bearer ${env:HEADRACE_T_TOKEN}!\nb: [{c: '${file:key}'}]\nd: 1", tmp_path)
    assert filled == {"a": "Bearer s3cr3t-token!", "b": [{"c": "from-a-file"}], "d": 1}
    assert redactor.redact("x s3cr3t-token y from-a-file") == "x *** y ***"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${env:HEADRACE_T_MISSING}", "environment variable HEADRACE_T_MISSING is not set"),
        ("${file:/nowhere/at/all}", "No such file"),
        ("${file:}", "Is a directory"),
        ("${env:a b}", "letters, digits and underscores"),
        ("${vault:x}", "${env:NAME} or ${file:/path}"),
        ("${NAME}", "${env:NAME} or ${file:/path}"),
    ],
)
def test_a_missing_secret_names_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    """What is missing is a problem at its key."""
    with pytest.raises(ConfigError) as raised:
        _filled(f"auth:\n  token: '{text}'", tmp_path)
    (problem,) = raised.value.problems
    assert (problem.file, problem.line, problem.key) == ("destinations/x.yml", 2, "auth.token")
    assert words in problem.message


def test_all_missing_secrets_are_told_at_once(tmp_path: Path) -> None:
    """Two missing ones are two problems."""
    with pytest.raises(ConfigError) as raised:
        _filled("a: ${env:HEADRACE_T_M1}\nb: ${env:HEADRACE_T_M2}", tmp_path)
    assert len(raised.value.problems) == 2


def test_a_secret_is_found_in_every_form() -> None:
    """As it is, URL-encoded and in JSON."""
    own = Redactor()
    own.register('p@ss "wörd"/1')
    for text in (
        'p@ss "wörd"/1',
        "p%40ss%20%22w%C3%B6rd%22%2F1",
        "p%40ss+%22w%C3%B6rd%22%2F1",
        'p@ss \\"wörd\\"/1',
    ):
        assert own.redact(f"<{text}>") == "<***>"


def test_passwords_of_urls_are_masked() -> None:
    """Also those that nobody registered; the rest of the URL stays readable."""
    own = Redactor()
    assert own.redact("at postgresql://u:hunter2@db:5432/shop") == "at postgresql://u:***@db:5432/shop"
    own.register("postgresql://u:hunter2@db/shop")
    assert own.redact("password hunter2 for db/shop") == "password *** for db/shop"


@settings(max_examples=50)
@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_no_registered_secret_survives(secret: str, before: str, after: str) -> None:
    """Whatever the secret is, it stands in no redacted text."""
    own = Redactor()
    own.register(secret)
    masked = own.redact(f"{before}{secret}{after}")
    assert secret not in masked or secret in before + "***" + after or set(secret) <= set("*")


class _Settings(DestinationSettings):
    url: str = Field(description="Where.")
    token: SecretStr = Field(description="Who.")


class _Crm(Destination):
    Settings: ClassVar[type[DestinationSettings]] = _Settings


class _Registry:
    def get(self, name: str) -> type[Destination]:
        if name != "crm":
            raise ConfigError(f"no connector has the type '{name}'; did you mean 'crm'?")
        return _Crm


def _project(tmp_path: Path, destination: str) -> Path:
    for name, text in {
        "headrace.yml": "warehouse: postgresql://u:${env:HEADRACE_T_PASSWORD}@db/w\n",
        "destinations/d.yml": destination,
        "sources/s.yml": (
            "type: sql_database\nurl: postgresql://u:${env:HEADRACE_T_PASSWORD}@db/s\ntables: {t: }\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_declarations_are_filled_in_when_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project loads without its secrets; using a part of it needs that part's."""
    project = load_project(
        _project(tmp_path, "type: crm\nurl: http://x\ntoken: ${env:HEADRACE_T_PASSWORD}\n")
    )
    with pytest.raises(ConfigError, match="HEADRACE_T_PASSWORD is not set"):
        resolved_source(project, "s")
    with pytest.raises(ConfigError, match=r"headrace\.yml:1:1: warehouse: .*HEADRACE_T_PASSWORD is not set"):
        _ = project.warehouse_url
    monkeypatch.setenv("HEADRACE_T_PASSWORD", "swordfish9")
    connector, settings_ = resolved_destination(project, "d", _Registry())  # type: ignore[arg-type]  # a stand-in
    assert connector is _Crm
    assert isinstance(settings_, _Settings)
    assert settings_.token.get_secret_value() == "swordfish9"
    assert project.warehouse_url == "postgresql://u:swordfish9@db/w"
    assert "swordfish9" not in f"{project!r}{settings_!r}{resolved_source(project, 's')!r}"
    assert redactor.redact("swordfish9") == "***"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("type: crn\nurl: x\ntoken: y", "destinations/d.yml:1:1: type", "did you mean 'crm'"),
        ("type: crm\nulr: x\ntoken: y", "destinations/d.yml:2:1: ulr", "did you mean 'url'"),
        ("type: crm\nurl: x\ntoken: [y]", "destinations/d.yml:3:1: token", "should be a"),
        ("type: crm\nurl: x\ntoken: y\nlimits: {concurrency: 0}",
         "destinations/d.yml:4:10: limits.concurrency", "greater than or equal to 1, found 0"),
    ],
)  # fmt: skip
def test_a_connectors_settings_are_checked_with_places(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    """What the connector's own settings refuse is told like any other mistake."""
    project = load_project(_project(tmp_path, text))
    with pytest.raises(ConfigError) as raised:
        resolved_destination(project, "d", _Registry())  # type: ignore[arg-type]  # a stand-in
    assert any(str(problem).startswith(place) and words in str(problem) for problem in raised.value.problems)
