"""What a whole process takes, with an environment that holds nothing of the machine's own settings."""

from collections.abc import Sequence

from attrs import frozen

from buff.bench.processes import cost_of as cost_in
from whole import environment


@frozen(kw_only=True)
class Cost:
    """What a process took, as the kernel counted it."""

    cpu_seconds: float
    peak_bytes: int


def cost_of(command: Sequence[str], **env: str) -> Cost:
    """Run a command to its end and return what it took. Compiled code is cached, as it is for every real user."""
    spent = cost_in(command, environment=environment(**env))
    return Cost(cpu_seconds=spent.cpu or 0.0, peak_bytes=spent.peak or 0)
