"""What is served beside the pages, and the chart library's hash check."""

import gzip
import hashlib
import sys
from pathlib import Path

import pytest

from buff_web import assets

OFFICIAL = "756b0ba9f58930226d6b8b9d47ad310448ab85d799ea1f7c2c02304777c10b52"


def test_the_installed_chart_library_is_the_official_one() -> None:
    found = assets.load(assets.library_path())
    assert found.library_problem is None
    assert found.library_url == f"/assets/lwc-{OFFICIAL[:8]}.js"
    body = found.files[f"lwc-{OFFICIAL[:8]}.js"].body
    assert hashlib.sha256(body).hexdigest() == OFFICIAL


def test_its_python_is_never_imported() -> None:
    assets.load(assets.library_path())
    assert "litecharts" not in sys.modules


@pytest.mark.parametrize("change", ["changed", "absent", "not installed"])
def test_any_other_file_is_not_served(change: str, tmp_path: Path) -> None:
    path = tmp_path / "lightweight-charts.js"
    if change == "changed":
        installed = assets.library_path()
        assert installed is not None
        path.write_bytes(Path(installed[0]).read_bytes() + b" ")
    found = assets.load(None if change == "not installed" else (str(path), OFFICIAL))
    assert found.library_url is None
    assert found.library_problem
    assert str(tmp_path) not in found.library_problem
    assert not any("lwc" in name for name in found.files)


def test_our_own_files_are_few_and_small() -> None:
    """At most six modules, one script that runs before them, one stylesheet; all of them lighter than a page may be."""
    found = assets.load(None)
    modules = {name for name in found.urls if name.endswith(".js")} - {"theme.js"}
    assert len(modules) <= 6
    assert sum(name.endswith(".css") for name in found.urls) == 1
    assert sum(len(gzip.compress(asset.body)) for asset in found.files.values()) < 60_000


def test_an_address_changes_with_any_file() -> None:
    found = assets.load(None)
    folders = {url.split("/")[2] for url in found.urls.values()}
    together = b"".join(
        name.encode() + found.files[f"{next(iter(folders))}/{name}"].body for name in sorted(found.urls)
    )
    assert folders == {hashlib.sha256(together).hexdigest()[:8]}
