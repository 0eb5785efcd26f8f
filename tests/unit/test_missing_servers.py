"""What the test suite says about servers that do not answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PROBE = '''
"""Tests that need every server."""

def test_postgres(postgres_url: str) -> None:
    """Needs PostgreSQL."""

def test_mariadb(mariadb_url: str) -> None:
    """Needs MariaDB."""

def test_redis(redis_url: str) -> None:
    """Needs Redis."""
'''


def test_skipped_by_name(tmp_path: Path) -> None:
    """Tests whose server does not answer are skipped, and the summary lists them by server."""
    (tmp_path / "conftest.py").write_text((Path(__file__).parents[1] / "conftest.py").read_text())
    (tmp_path / "test_probe.py").write_text(_PROBE)
    nowhere = {
        "HEADRACE_TEST_POSTGRES_URL": "postgresql://root@127.0.0.1:1/test",
        "HEADRACE_TEST_MARIADB_URL": "mysql+pymysql://root@127.0.0.1:1/test",
        "HEADRACE_TEST_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        str(tmp_path),
    ]
    answer = subprocess.run(
        command, cwd=tmp_path, env=os.environ | nowhere, check=True, capture_output=True, text=True
    )
    for server, test in {"PostgreSQL": "postgres", "MariaDB": "mariadb", "Redis": "redis"}.items():
        _, _, rest = answer.stdout.partition(f"not run: {server} (HEADRACE_TEST_")
        assert rest.splitlines()[1] == f"test_probe.py::test_{test}"
    assert "3 skipped" in answer.stdout
