"""The files destination on a local disk and on an object store in memory."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import gzip
import hashlib
import math
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import orjson
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from connectors.batch import Batch
from connectors.destination import Target
from connectors.destinations.files import Files, FilesSettings
from connectors.errors import BatchRefused, ConfigError, Unauthorized, Unavailable
from connectors.operation import Kind, Mode, Operation

TYPES = {"id": "integer", "name": "text", "amount": "decimal", "more": "json"}


def target(mode: Mode = Mode.MIRROR, run: str = "run1", **changes: Any) -> Target:
    """A sync of `name`, `amount` and `more`."""
    given: dict[str, Any] = {
        "sync": "s",
        "run_id": run,
        "object": None,
        "mode": mode,
        "primary_key": ("id",),
        "match_on": (),
        "fields": ("name", "amount", "more"),
        "types": TYPES,
    }
    return Target(**(given | changes))


def destination(path: Path | str, asked: Target | None, **settings: Any) -> Files:
    """The destination; JSON lines unless told otherwise."""
    return Files(FilesSettings.model_validate({"path": str(path), "format": "jsonl"} | settings), asked)


def operation(kind: str, key: int, record: dict[str, Any] | None = None) -> Operation:
    """An operation on the row of that id."""
    return Operation(key, Kind(kind), {"id": key}, {"id": key}, record)


def record(name: str = "a", **more: Any) -> dict[str, Any]:
    """A row."""
    return {"name": name, "amount": Decimal("1.50"), "more": {"x": [1]}} | more


def parts_of(folder: Path, ending: str) -> list[Path]:
    """The parts below a folder."""
    return list(folder.rglob(f"*.{ending}"))


async def deliver(made: Files, *batches: list[Operation]) -> None:
    """Start, write each batch, close."""
    await made.start()
    for batch in batches:
        assert await made.write(Batch.of(batch)) == []
    await made.close()


def files_in(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_each_batch_is_a_part_and_the_run_has_a_manifest(tmp_path: Path) -> None:
    """Parts sort in the order of the plan; the manifest counts rows, bytes and digests."""
    first = [operation("remove", 7), operation("change", 8, record("ü"))]
    await deliver(destination(tmp_path, target()), first, [operation("add", 9, record(more=None))])
    found = files_in(tmp_path)
    manifest = orjson.loads(found.pop("run1.manifest.json"))
    assert [part["name"] for part in manifest["parts"]] == sorted(found)
    assert [part["rows"] for part in manifest["parts"]] == [2, 1]
    for part in manifest["parts"]:
        assert part["sha256"] == hashlib.sha256(found[part["name"]]).hexdigest()
        assert part["bytes"] == len(found[part["name"]])
    assert manifest["columns"][0] == {"name": "_operation", "type": "text"}
    lines = b"".join(found[name] for name in sorted(found)).splitlines()
    assert [orjson.loads(line) for line in lines] == [
        {"_operation": "remove", "id": 7},
        {"_operation": "change", "id": 8, "name": "ü", "amount": 1.5, "more": {"x": [1]}},
        {"_operation": "add", "id": 9, "name": "a", "amount": 1.5, "more": None},
    ]


async def test_a_batch_sent_again_takes_the_place_of_its_part(tmp_path: Path) -> None:
    """The same rows in the same run are one file, byte for byte."""
    batch = [operation("add", 1, record())]
    for compression in ("none", "gzip"):
        folder = tmp_path / compression
        await deliver(destination(folder, target(), compression=compression), batch)
        before = files_in(folder)
        await deliver(destination(folder, target(), compression=compression), batch, batch)
        after = files_in(folder)
        assert len(after) == 2
        part = next(name for name in after if "manifest" not in name)
        assert before[part] == after[part]


async def test_a_run_that_writes_nothing_leaves_nothing(tmp_path: Path) -> None:
    """No rows, no manifest, not even a folder."""
    await deliver(destination(tmp_path / "new", target()), [])
    assert not (tmp_path / "new").exists()


async def test_csv_is_read_back_by_others(tmp_path: Path) -> None:
    """Quotes, line ends, numbers, dates and nested values are as RFC 4180 and ISO 8601 have them."""
    values: dict[str, tuple[str, Any, str]] = {
        "t": ("text", 'a"b,\r\nc', 'a"b,\r\nc'),
        "n": ("text", None, ""),
        "f": ("float", math.nan, ""),
        "d": ("decimal", Decimal("12345678901234567.8900"), "12345678901234567.8900"),
        "b": ("boolean", True, "true"),
        "day": ("date", dt.date(2026, 1, 2), "2026-01-02"),
        "at": ("timestamptz", dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00Z"),
        "j": ("json", {"a": "ü"}, '{"a":"ü"}'),
        "formula": ("text", "=1+1", "=1+1"),
        "negative": ("integer", -1, "-1"),
    }
    asked = target(
        Mode.APPEND, fields=tuple(values), types={name: kind for name, (kind, _, _) in values.items()}
    )
    row = operation("add", 1, {name: value for name, (_, value, _) in values.items()})
    for escape in (False, True):
        folder = tmp_path / str(escape)
        await deliver(destination(folder, asked, format="csv", escape_formulas=escape), [row])
        [part] = parts_of(folder, "csv")
        with part.open(encoding="utf-8", newline="") as file:
            [read] = csv.DictReader(file)
        expected = {name: text for name, (_, _, text) in values.items()}
        assert read == expected | ({"formula": "'=1+1"} if escape else {})
        assert part.read_bytes().count(b"\r\n") == 3


async def test_parquet_has_one_schema_whatever_is_in_a_part(tmp_path: Path) -> None:
    """A part of nulls has the same columns as a part of values."""
    made = destination(tmp_path, target(Mode.APPEND), format="parquet", compression="zstd")
    nothing = dict.fromkeys(record())
    await deliver(made, [operation("add", 1, record())], [operation("add", 2, nothing)])
    one, two = (pq.read_table(part) for part in sorted(parts_of(tmp_path, "parquet")))
    assert one.schema == two.schema
    assert one.to_pylist() == [{"name": "a", "amount": Decimal("1.50"), "more": '{"x":[1]}'}]
    assert two.to_pylist() == [nothing]


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
async def test_a_value_that_does_not_fit_refuses_the_batch(tmp_path: Path, file_format: str) -> None:
    """Nothing is written, and the value is not in the error."""
    made = destination(tmp_path, target(), format=file_format)
    await made.start()
    with pytest.raises(BatchRefused) as refused:
        await made.write(_unhashed(operation("add", 1, record("secret\ud800"))))
    assert "secret" not in str(refused.value)
    await made.close()
    assert files_in(tmp_path) == {}


def _unhashed(one: Operation) -> Batch:
    return Batch(1, lambda: [one], idempotency_key="k", run_id="run1")


async def test_names_follow_the_template_and_stay_below_the_path(tmp_path: Path) -> None:
    """Placeholders are filled, and a hostile object cannot climb out of the folder."""
    asked = target(object="../../x/y")
    name = "{sync}/day={date}/{object}/{run}-{part}"
    await deliver(destination(tmp_path / "in", asked, file_name=name), [operation("add", 1, record())])
    today = dt.datetime.now(dt.UTC).date().isoformat()
    [part] = (name for name in files_in(tmp_path) if "manifest" not in name)
    assert part.startswith(f"in/s/day={today}/%2E%2E%2F%2E%2E%2Fx%2Fy/run1-0000000001-")


@pytest.mark.parametrize(
    "settings",
    [
        {"file_name": "{run}"},
        {"file_name": "{part}"},
        {"file_name": "../{run}{part}"},
        {"file_name": "/{run}{part}"},
        {"file_name": "{run}{part}{x}"},
        {"file_name": "{run}{part}{"},
        {"format": "xls"},
        {"format": "csv", "compression": "snappy"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, str]) -> None:
    """Templates and compressions are checked before anything runs."""
    with pytest.raises(ValidationError):
        FilesSettings.model_validate({"path": "x", "format": "csv"} | settings)


def test_a_relative_path_starts_at_the_project(tmp_path: Path) -> None:
    """A folder is relative to the project, a URL and an absolute path stay as they are."""
    for given, expected in (("out", str(tmp_path / "out")), ("s3://b/x", "s3://b/x"), ("/abs", "/abs")):
        made = FilesSettings.model_validate(
            {"path": given, "format": "csv"}, context={"project_root": tmp_path}
        )
        assert made.path == expected


@pytest.mark.parametrize("is_remote", [False, True])
async def test_a_replaced_set_is_seen_whole_or_not_at_all(tmp_path: Path, is_remote: bool) -> None:  # noqa: FBT001  pytest passes it
    """The list of the current set changes in one moment; unfinished and outlived sets are removed."""
    place = f"memory://{tmp_path.name}" if is_remote else str(tmp_path)
    files, root = fsspec.url_to_fs(place)

    def current() -> list[str]:
        document = orjson.loads(files.cat_file(f"{root}/s.current.json"))
        return [
            orjson.loads(line)["name"]
            for part in document["parts"]
            for line in files.cat_file(f"{root}/{part['name']}").splitlines()
        ]

    for run, is_finished in (("r1", True), ("r2", False), ("r3", True), ("r4", True)):
        made = destination(place, target(Mode.REPLACE, run))
        await made.start()
        await made.begin_replace()
        await made.write(Batch.of([operation("add", 1, record(run))]))
        await made.write(Batch.of([operation("add", 2, record(run))]))
        if is_finished:
            await made.finish_replace()
            assert current() == [run, run]
        else:
            assert current() == ["r1", "r1"]
        await made.close()
    assert sorted(Path(name).name for name in files.ls(f"{root}/s.sets", detail=False)) == ["r3", "r4"]
    assert not [name for name in files.find(root) if name.endswith("manifest.json")]


async def test_a_disk_that_is_full_is_unavailable_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may go on later; no part of a file is left behind."""

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = destination(tmp_path, target())
    await made.start()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        await made.write(Batch.of([operation("add", 1, record())]))
    assert files_in(tmp_path) == {}


async def test_a_folder_that_may_not_be_written_to_is_unauthorized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the check and the write say so."""

    def denied(*_: Any, **__: Any) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    made = destination(tmp_path, target())
    await made.start()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", denied)
        with pytest.raises(Unauthorized):
            await made.write(Batch.of([operation("add", 1, record())]))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Unauthorized):
        await made.check()


async def test_check_writes_nothing_and_names_a_file_in_the_way(tmp_path: Path) -> None:
    """A folder that can be made passes and is not made; a file or an unknown scheme is a mistake."""
    await destination(tmp_path / "new/deep", None).check()
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", "nosuch://x"):
        with pytest.raises(ConfigError):
            await destination(path, None).check()


async def test_gzip_and_memory_store(tmp_path: Path) -> None:
    """An object store gets the same parts, compressed where asked."""
    place = f"memory://{tmp_path.name}/out"
    await deliver(
        destination(place, target(Mode.APPEND), compression="gzip"), [operation("add", 1, record())]
    )
    files, root = fsspec.url_to_fs(place)
    [part] = [name for name in files.find(root) if name.endswith(".jsonl.gz")]
    assert orjson.loads(gzip.decompress(files.cat_file(part))) == {
        "name": "a",
        "amount": 1.5,
        "more": {"x": [1]},
    }
