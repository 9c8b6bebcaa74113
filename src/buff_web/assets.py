"""What a browser loads beside the page: our stylesheet and modules, and the chart library after its hash check.

Files of this package and of the package that carries the library go in, read once at the start; immutable bytes with
addresses made of their hashes come out. The library's Python is never imported, and a library whose SHA-256 is not the
official one is never served.
"""

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from importlib import resources

from attrs import frozen

# Package, file in it, SHA-256 of the official npm build: lightweight-charts 5.1.0 standalone production.
LIBRARIES = (
    (
        "litecharts",
        "js/lightweight-charts.js",
        "756b0ba9f58930226d6b8b9d47ad310448ab85d799ea1f7c2c02304777c10b52",
    ),
)
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@frozen(kw_only=True)
class Asset:
    """One file as it is served."""

    media_type: str
    body: bytes


@frozen(kw_only=True)
class Assets:
    """Every file by its address below `/assets/`, the address of each name, and why there is no chart library."""

    files: Mapping[str, Asset]
    urls: Mapping[str, str]
    library_url: str | None
    library_problem: str | None


def library_path() -> tuple[str, str] | None:
    """Return where the first installed chart library lies and the SHA-256 it must have, or None."""
    for package, file, sha256 in LIBRARIES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            return os.path.join(folder, *file.split("/")), sha256
    return None


def load(library: tuple[str, str] | None) -> Assets:
    """Return all assets. `library` is a path and the SHA-256 its bytes must have."""
    own = {
        file.name: Asset(media_type=MEDIA_TYPES[os.path.splitext(file.name)[1]], body=file.read_bytes())
        for file in sorted(resources.files("buff_web").joinpath("static").iterdir(), key=lambda file: file.name)
    }
    # One folder for all: a module imports another by its plain name, and a change of any gives all a new address.
    folder = _short(b"".join(name.encode() + asset.body for name, asset in own.items()))
    files = {f"{folder}/{name}": asset for name, asset in own.items()}
    urls = {name: f"/assets/{folder}/{name}" for name in own}
    body, problem = _checked(library)
    if body is None:
        return Assets(files=files, urls=urls, library_url=None, library_problem=problem)
    name = f"lwc-{_short(body)}.js"
    files[name] = Asset(media_type=MEDIA_TYPES[".js"], body=body)
    return Assets(files=files, urls=urls, library_url=f"/assets/{name}", library_problem=None)


def _checked(library: tuple[str, str] | None) -> tuple[bytes | None, str | None]:
    if library is None:
        return None, "the chart library is not installed (the package litecharts carries it)"
    path, sha256 = library
    try:
        with open(path, "rb") as file:
            body = file.read()
    except OSError:
        return None, "the chart library cannot be read"
    if hashlib.sha256(body).hexdigest() != sha256:
        return None, "the chart library is not the official file: its SHA-256 differs, so it is not served"
    return body, None


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:8]
