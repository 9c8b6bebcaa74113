"""The pages of the documentation as programs: their blocks, how each kind is run, and what it must print.

A Markdown file goes in. Its blocks run in order, in one directory that holds `candles.csv` (the sample), with RUNS_ROOT
set to `runs` in it; python blocks share a namespace. What is run and how depends on the fence alone:

    python    executed; an exception fails the page
    bash      run whole by `bash -euo pipefail`; an exit code other than 0 fails the page
    console   each line after `$ ` is run on a terminal of 220 columns, and what it prints is compared with the lines
              that follow; `...` in a line stands for any text, and alone on a line for any lines

A block right below the line `<!-- not run: why -->` is only read by people. Other fences (json, toml, text, ...) are
data; `<!-- file: NAME -->` above one writes it into the directory.

`python tests/pages.py --write PAGE...` puts the true output into the console blocks whose output is another.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

import terminal

REPOSITORY = Path(__file__).parents[1]
SAMPLE = REPOSITORY / "examples" / "data" / "sample_1m.csv"
PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))

_BLOCK = re.compile(r"(?:^<!-- (not run|file): (.+?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEXT = "@@ end of command"
COLUMNS = 220


@frozen(kw_only=True)
class Block:
    """One fenced block: its kind, its text, the line it starts on, and the comment above it."""

    kind: str
    text: str
    line: int
    comment: str | None
    says: str | None

    @property
    def runs(self) -> bool:
        return self.kind in ("python", "bash", "console") and self.comment != "not run"


@frozen(kw_only=True)
class Step:
    """One command of a console block and the output the page promises."""

    command: str
    promised: str


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    for found in _BLOCK.finditer(text):
        comment, says, kind, inside = found.groups()
        line = text.count("\n", 0, found.start(3)) + 1
        yield Block(kind=kind, text=inside, line=line, comment=comment, says=says)


def steps(block: Block) -> list[Step]:
    """Return the commands of a console block. A command goes on where a line ends in a backslash."""
    found: list[Step] = []
    open_ended = False
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Step(command=line[2:], promised=""))
        elif open_ended:
            found[-1] = evolve(found[-1], command=f"{found[-1].command}\n{line}")
        else:
            found[-1] = evolve(found[-1], promised=f"{found[-1].promised}{line}\n")
            continue
        open_ended = line.endswith("\\")
    return found


def matches(promised: str, printed: str) -> bool:
    """This function says whether a command printed what the page promises."""
    parts = []
    for line in promised.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n")
    return re.fullmatch("".join(parts), printed) is not None


@frozen(kw_only=True)
class Place:
    """The directory a page runs in, its environment, and the namespace of its python blocks."""

    directory: Path
    environment: Mapping[str, str]
    namespace: dict[str, Any]


def place(directory: Path) -> Place:
    """Return a fresh place: the sample as `candles.csv`, RUNS_ROOT, and the `buff` of this very Python on PATH."""
    (directory / "candles.csv").write_bytes(SAMPLE.read_bytes())
    tools = str(Path(sys.executable).parent)
    environment = {
        "PATH": tools + os.pathsep + os.environ.get("PATH", ""),
        "HOME": str(directory),
        "RUNS_ROOT": str(directory / "runs"),
        "BUFF_USER": "you",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "NO_COLOR": "1",
        "COLUMNS": str(COLUMNS),
        "TZ": "UTC",
        # What a page installs with pip goes into its own directory, from local paths alone.
        "PYTHONPATH": str(directory / "installed"),
        "PIP_TARGET": str(directory / "installed"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this switch the other way round: no isolated environment is made
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly",
    }
    return Place(directory=directory, environment=environment, namespace={"__name__": "page"})


def run_page(page: Path, where: Place) -> Iterator[str]:
    """Run every block of a page; yield a sentence for each that does not do what it says."""
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.comment == "file":
            (where.directory / str(block.says)).write_text(block.text, encoding="utf-8")
        elif block.runs:
            for fault in _RUN[block.kind](block, where):
                yield f"{page.relative_to(REPOSITORY)}, line {block.line}: {fault}"


def _python(block: Block, where: Place) -> Iterator[str]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, f"block at line {block.line}", "exec"), where.namespace)
    except Exception as error:  # whatever a page's code raises is this page's fault, told with its line
        yield f"{type(error).__name__}: {error}"


def _bash(block: Block, where: Place) -> Iterator[str]:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=where.directory,
        env=where.environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        yield f"exit code {done.returncode}: {done.stderr or done.stdout}"


def _console(block: Block, where: Place) -> Iterator[str]:
    promises = steps(block)
    for step, printed in zip(promises, on_terminal([step.command for step in promises], where), strict=True):
        if not matches(step.promised, printed):
            yield f"$ {step.command}\npromised:\n{step.promised}printed:\n{printed}"


_RUN = {"python": _python, "bash": _bash, "console": _console}


def on_terminal(commands: list[str], where: Place) -> list[str]:
    """Return what each command prints on a terminal. One shell runs them all: `$?` is that of the one before."""
    script = "".join(f"{command}\ncode=$?; echo '{_NEXT}'; (exit $code)\n" for command in commands)
    _, sent = terminal.run(["bash", "-c", script], cwd=where.directory, env=where.environment)
    return [part.removeprefix("\n") for part in terminal.shown(sent).split(_NEXT)[: len(commands)]]


def written(page: Path, where: Place) -> str:
    """Return the text of a page with the true output in every console block whose promise is not kept."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(text):
        if block.comment == "file":
            (where.directory / str(block.says)).write_text(block.text, encoding="utf-8")
        elif block.runs and block.kind != "console":
            print(*_RUN[block.kind](block, where))
        elif block.runs:
            promises = steps(block)
            outputs = on_terminal([step.command for step in promises], where)
            parts = []
            for step, printed in zip(promises, outputs, strict=True):
                output = step.promised if matches(step.promised, printed) else printed
                parts.append(f"$ {step.command}\n" + "".join(f"{line.rstrip()}\n" for line in output.splitlines()))
            text = text.replace(f"```console\n{block.text}```", f"```console\n{''.join(parts)}```", 1)
    return text


def main(arguments: list[str]) -> None:
    """Fill in the pages named after `--write`."""
    assert arguments[:1] == ["--write"], "usage: python tests/pages.py --write PAGE..."
    for name in arguments[1:]:
        with tempfile.TemporaryDirectory() as folder:
            where = place(Path(folder))
            os.environ.update(where.environment)
            page = Path(name).resolve()
            here = Path.cwd()
            os.chdir(folder)
            text = written(page, where)
            os.chdir(here)
            page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
