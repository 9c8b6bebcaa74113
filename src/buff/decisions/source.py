"""The hash of a strategy's source: what makes a changed rule another run.

A registered strategy goes in, a SHA-256 over the source files it is made of comes out. This is the one place in
`buff.decisions` that reads anything but its arguments: the package's own modules, as package data, so that a wheel, an
editable install and a zip give the same digest. It knows no path and never writes.
"""

import hashlib
from importlib import resources

from buff.decisions.strategy import Strategy

_PACKAGE = "buff.decisions"
_KERNELS = "indicators.py"


def source_sha256(strategy: Strategy) -> str:
    """Return the digest of a built-in strategy: of its own file and of the kernel module, in the order of their names.

    Each file counts as its path, a NUL and the SHA-256 of its bytes with CRLF read as LF: a checkout on Windows has
    the same identity.
    """
    module = strategy.decide.__module__
    assert module.startswith(f"{_PACKAGE}.strategies."), "only built-in strategies are registered"
    digest = hashlib.sha256()
    for name in sorted((_KERNELS, f"strategies/{module.rpartition('.')[2]}.py")):
        source = resources.files(_PACKAGE).joinpath(name).read_bytes().replace(b"\r\n", b"\n")
        digest.update(name.encode() + b"\0" + hashlib.sha256(source).digest())
    return digest.hexdigest()
