"""A progress bar for a terminal, drawn only when the work takes longer than a moment, and gone when it is done."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """Shows (stage, done, total) once `patience_seconds` have passed since it was made."""

    def __init__(self, patience_seconds: float) -> None:
        """Start waiting; nothing is drawn yet."""
        self._due = time.monotonic() + patience_seconds
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is; `total` 0 means that nobody knows."""
        if time.monotonic() < self._due:
            return
        if self._progress is None or self._task is None:
            self._progress = Progress(
                TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._task = self._progress.add_task(stage)
        self._progress.update(self._task, description=stage, completed=done, total=total or None)
        self._progress.start()

    def away(self) -> None:
        """Take the bar from the terminal, so that something can be printed there; the next call brings it back."""
        if self._progress is not None:
            self._progress.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.away()
