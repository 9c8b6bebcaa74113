"""A bundle of a run, proven with nothing but Python: `python -I -S check_bundle.py FILE.zip`.

A bundle goes in; what `bundle.json` says of it comes out, or an exception: ValueError for what this file looks for,
others for what Python's own readers stumble over. Every bundle carries a copy of this file, so it imports nothing of
Buff. Proven are every byte of the zip, every hash, what the manifest refers to, and the journal's lines by their own
hashes. Whether the same inputs still give these bytes only Buff can say.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import IO, Any

SCHEMA = "bundle.v1"
BUNDLE, CHECKER, JOURNAL = "bundle.json", "check_bundle.py", "journal.jsonl"
BASE = ("close", "filled", "high", "low", "open", "ts", "volume")
NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,3}\.(json|jsonl|npy|py)", re.ASCII)
HEADER_BYTES, SEAL_BYTES = 128, 78


def write(members: Iterable[tuple[str, int, Callable[[], IO[bytes]]]], out: IO[bytes]) -> None:
    """Write (name, size, how to open) in order to `out`: stored, not packed, so that the bytes depend on no library."""
    with zipfile.ZipFile(out, "w") as bundle:
        for name, size, opened in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr, info.file_size = 3, 0o100644 << 16, size
            with opened() as source, bundle.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def check(file: IO[bytes]) -> dict[str, Any]:
    """Return what `bundle.json` says of the bundle in an open file, all of it proven. Raises ValueError and others."""
    with zipfile.ZipFile(file) as bundle:
        infos = bundle.infolist()
        names = [info.filename for info in infos]
        must(names == sorted(set(names)) and all(map(NAME.fullmatch, names)), "its names are not those of a bundle")
        stored = all(info.compress_type == 0 and info.compress_size == info.file_size for info in infos)
        must(stored and sum(info.file_size for info in infos) < file.seek(0, 2), "its sizes are not those of its files")
        with tempfile.TemporaryFile() as again:
            write([(info.filename, info.file_size, partial(bundle.open, info.filename)) for info in infos], again)
            must(same(file, again), "it is not the very zip that its files make")
        said: dict[str, Any] = json.loads(bundle.read(BUNDLE))
        must(bundle.read(BUNDLE) == canonical(said) + b"\n" and said["schema_version"] == SCHEMA, f"{BUNDLE} is odd")
        for each in said["files"]:
            whole = (
                bundle.getinfo(each["name"]).file_size == each["size"] and sha(bundle, each["name"]) == each["sha256"]
            )
            must(whole, f"{each['name']} is not what {BUNDLE} says")
        must([each["name"] for each in said["files"]] == [name for name in names if name != BUNDLE], "a file is extra")
        must(names == sorted({BUNDLE, CHECKER, JOURNAL, *run(bundle, said)}), "a file belongs to no run")
        journal(bundle.read(JOURNAL).splitlines(keepends=True), said)
        return said


def run(bundle: zipfile.ZipFile, said: dict[str, Any]) -> Iterator[str]:
    """Yield the files of the run and of its data after proving what the manifest and dataset.json say of them."""
    folder = said["run_id"]
    manifest = json.loads(bundle.read(f"{folder}/manifest.json"))
    known = {each["name"]: (each["size"], each["sha256"]) for each in said["files"]}
    must(manifest["run_id"] == folder, "the manifest is that of another run")
    must(
        known[f"{folder}/manifest.json"][1] == said["manifest_sha256"], "the manifest is not the one that was committed"
    )
    for each in manifest["artifacts"]:
        must(known[f"{folder}/{each['name']}"] == (each["size"], each["sha256"]), f"{each['name']} is another")
    dataset = f"_datasets/{manifest['inputs']['dataset_id']}"
    header = json.loads(bundle.read(f"{dataset}/dataset.json"))
    hashed = {name: header[name] for name in ("schema", "base_timeframe", "rows", "columns")}
    made = f"_datasets/{hashlib.sha256(canonical(hashed)).hexdigest()}"
    must(dataset == made and sorted(header["columns"]) == sorted(BASE), "dataset.json is not that of this dataset")
    for name, expected in header["columns"].items():
        must(sha(bundle, f"{dataset}/{name}.npy", HEADER_BYTES) == expected, f"the dataset's {name} is another")
    for each in manifest["references"]:
        must(each["file"].startswith(f"{dataset}/"), "a column is of another dataset")
        must(sha(bundle, each["file"], HEADER_BYTES) == each["sha256"], f"{each['file']} is not what was decided on")
    folders = {each["file"].rpartition("/")[0] for each in manifest["references"]} - {dataset}
    yield from (f"{folder}/{name}" for name in ("manifest.json", *(each["name"] for each in manifest["artifacts"])))
    yield from (f"{dataset}/{name}" for name in ("dataset.json", "quality.json", *(f"{name}.npy" for name in BASE)))
    yield from (f"{each}/resample.json" for each in folders)
    yield from (each["file"] for each in manifest["references"])


def journal(lines: Sequence[bytes], said: dict[str, Any]) -> None:
    """Prove the journal's lines: each by its hash and its neighbour's, the first, and the one that made the run."""
    events = [json.loads(line) for line in lines]
    for line, event in zip(lines, events):  # noqa: B905 - older Pythons know no `strict`
        own = hashlib.sha256(line[:-SEAL_BYTES] + b"}").hexdigest()
        must(
            line[-SEAL_BYTES:] == b',"sha256":"%b"}\n' % own.encode(), f"event {event['seq']!a} is not what was written"
        )
    for before, event in zip(events, events[1:]):  # noqa: B905, RUF007 - as above
        follows = (
            event["prev"] == before["sha256"] if event["seq"] == before["seq"] + 1 else event["seq"] > before["seq"]
        )
        must(follows, f"event {event['seq']!a} does not follow {before['seq']!a}")
    opened = (events[0]["seq"], events[0]["type"]) == (1, "journal_opened")
    must(opened, "the journal's beginning is absent")
    receipts = {f"{events[0]['data']['journal_id']}:{each['seq']}:{each['sha256']}": each for each in events}
    made = receipts[said["receipt"]]
    must(re.fullmatch(r"[A-Za-z0-9_:]+", said["receipt"], re.ASCII) is not None, "the receipt is none of a journal")
    must(set(range(made["b"][0], made["b"][1] + 1)) <= {each["seq"] for each in events}, "the batch is not whole")
    must(made["type"].split(".")[0] == "run_committed", "the receipt is not that of a run")
    for name in ("run_id", "manifest_sha256", "content_sha256"):
        must(made["data"][name] == said[name], f"the journal knows another {name}")


def canonical(value: Any) -> bytes:
    """Return whole numbers and texts as Buff writes them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha(bundle: zipfile.ZipFile, name: str, skipped: int = 0) -> str:
    """Return the SHA-256 of a file behind its first `skipped` bytes."""
    hashed = hashlib.sha256()
    with bundle.open(name) as file:
        file.read(skipped)
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def same(one: IO[bytes], other: IO[bytes]) -> bool:
    """Say whether two open files hold the same bytes."""
    one.seek(0)
    other.seek(0)
    while (chunk := one.read(1 << 20)) == other.read(1 << 20):
        if not chunk:
            return True
    return False


def must(true: bool, says: str) -> None:
    """Raise ValueError with a sentence unless something is true."""
    if not true:
        raise ValueError(says)


def main(words: Sequence[str]) -> int:
    """Check the one file named and say what was found: 0 where it is whole, 1 where it is not, 2 for a wrong call."""
    if len(words) != 1:
        print("usage: python -I -S check_bundle.py FILE.zip", file=sys.stderr)
        return 2
    try:
        with open(words[0], "rb") as given:
            found = check(given)
    except Exception as error:  # whatever a reader stumbles over, this is no whole bundle
        says = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        print(f"NOT WHOLE  {words[0]!a}: {says.encode('unicode_escape').decode()}", file=sys.stderr)
        return 1
    print(f"WHOLE  {found['run_id']}, {len(found['files'])} files, {found['receipt']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
