"""The demo project: right as it stands, and copied without writing over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConfigError
from connectors.registry import load_registry
from headrace.template_project import copy_template, template_folder
from models.check import check_project
from models.loading import load_project
from models.resolved import resolved_destination, resolved_source


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo project, with what it asks of the environment."""
    monkeypatch.setenv("HEADRACE_DEMO_CRM_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_DEMO_CRM_TOKEN", "a-token-for-tests")
    copy_template(tmp_path / "shop")
    return tmp_path / "shop"


def test_nothing_is_wrong_in_the_demo_project(project: Path) -> None:
    """Every file parses, every name is known, every statement is one SELECT, every setting is accepted."""
    loaded = load_project(project)
    assert check_project(loaded) == []
    registry = load_registry(project)
    for name in loaded.destinations:
        resolved_destination(loaded, name, registry)
    for name in loaded.sources:
        resolved_source(loaded, name)


def test_a_sync_writes_in_ways_its_destination_knows(project: Path) -> None:
    """Modes, removals and objects of the syncs are among those of their connectors."""
    loaded = load_project(project)
    registry = load_registry(project)
    for sync in loaded.syncs.values():
        connector, _ = resolved_destination(loaded, sync.destination, registry)
        assert sync.mode in connector.modes
        assert sync.on_removed in connector.removals
        if connector.objects:
            assert sync.object in {known.name for known in connector.objects}


def test_secrets_come_from_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the token the error names the file, the key and the variable."""
    monkeypatch.delenv("HEADRACE_DEMO_CRM_TOKEN")
    loaded = load_project(project)
    with pytest.raises(
        ConfigError, match=r"destinations/crm\.yml:.*token.*HEADRACE_DEMO_CRM_TOKEN is not set"
    ):
        resolved_destination(loaded, "crm", load_registry(project))


def test_a_copy_writes_over_nothing(project: Path) -> None:
    """Where one of the files stands already, nothing is copied."""
    (project / "syncs" / "customer_mart.yml").unlink()
    with pytest.raises(ConfigError, match="already; choose another folder"):
        copy_template(project)
    assert not (project / "syncs" / "customer_mart.yml").exists()


def test_a_copy_holds_declarations_only(project: Path) -> None:
    """What headrace wrote into the template itself does not come along."""
    files = {file.relative_to(project) for file in project.rglob("*") if file.is_file()}
    assert Path("headrace.yml") in files
    assert not any(".headrace" in file.parts or file.suffix == ".pyc" for file in files)
    assert all((template_folder() / file).is_file() for file in files)


def test_a_copy_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file where the folder should be is an error in words."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="taken"):
        copy_template(tmp_path / "taken" / "shop")
