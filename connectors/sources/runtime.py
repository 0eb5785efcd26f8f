"""dlt kept in its room: no telemetry, no settings but ours, no file outside of the project."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt.common.configuration.specs.pluggable_run_context import RunContextBase

__all__ = ["dlt_runtime"]

_SETTINGS: dict[str, Any] = {
    "runtime": {"dlthub_telemetry": False},
    "providers": {"enable_airflow_secrets": False},
    "extract": {"next_item_mode": "fifo"},
    "data_writer": {"file_max_items": 500_000},
    "normalize": {"parquet_normalizer": {"add_dlt_load_id": True}},
    "destination": {"replace_strategy": "insert-from-staging"},
    "load": {"truncate_staging_dataset": True, "workers": 4},
}
"""All the configuration that dlt sees. `fifo` reads one resource to its end before the next; `_dlt_load_id`
tells which rows an interrupted load left behind; files of bounded size are loaded side by side; a replaced
table is swapped, never seen empty."""

_one_at_a_time = threading.RLock()


def _context(home: Path) -> RunContextBase:
    from dlt.common import logger
    from dlt.common.configuration.providers import ConfigProvider
    from dlt.common.configuration.providers.dictionary import DictionaryProvider
    from dlt.common.configuration.specs import RuntimeConfiguration
    from dlt.common.runtime.run_context import RunContext

    class ProjectContext(RunContext):
        """A dlt run context whose every folder is the project's, and whose settings are in memory."""

        global_dir = run_dir = local_dir = data_dir = settings_dir = str(home)
        module = None
        runtime_config = RuntimeConfiguration(dlthub_telemetry=False)

        def initial_providers(self) -> list[ConfigProvider]:
            provider = DictionaryProvider()
            for section, values in _SETTINGS.items():
                provider.set_value(section, values, None)
            return [provider]

        def initialize_runtime(self, _config: RuntimeConfiguration | None = None) -> None:
            logger.LOGGER = logging.getLogger("dlt")

        def reset_config(self) -> None:
            """Nothing to forget: the settings are constants."""

    return ProjectContext(str(home))


@contextmanager
def dlt_runtime(home: Path) -> Iterator[None]:
    """Let dlt work in `home`, one ingest at a time in this process (its containers are global).

    What dlt logs goes to the logger `dlt`, whose level is ERROR unless somebody has set another: its warnings
    speak to authors of pipelines.
    """
    with _one_at_a_time:
        from dlt.common.configuration.container import Container
        from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

        home.mkdir(parents=True, exist_ok=True)
        log = logging.getLogger("dlt")
        if log.level == logging.NOTSET:
            log.setLevel(logging.ERROR)
        Container()[PluggableRunContext] = PluggableRunContext(_context(home))
        yield
