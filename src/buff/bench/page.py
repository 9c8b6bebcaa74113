"""Pages that hold what the suite printed: sections between two marks, which nobody writes by hand.

A report and the text of a page go in; the text with its sections filled comes out. A page that is not there yet gets
every section. Words outside the marks stay as they are.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from buff.bench.plan import tables
from buff.bench.report import COLUMNS, CONSTANT_COLUMNS, NUMBERS, Report, constant_rows, remarks, rows
from buff.bench.suite import SCALE, Found
from buff.errors import RunConfigInvalid
from buff.files import RealDisk
from buff.outlet import check_target, publish

MACHINE = "machine"
TITLE = "# Performance\n"
HEADINGS = {MACHINE: "## The machine\n", SCALE: "## The constants, and what is reckoned from them\n"}

_SECTION = re.compile(r"^<!-- bench: ([\w.]+) -->\n(.*?)^<!-- bench: end -->$", re.MULTILINE | re.DOTALL)


def sections(report: Report) -> dict[str, str]:
    """Return the Markdown of every section of a report, by its name."""
    found = {MACHINE: _table(("what", "is"), list(report.facts.items()))}
    found |= {each.subject.name: _subject(each) for each in report.found}
    if report.constants is not None:
        found |= scale_sections(report.constants)
    return found


def scale_sections(constants: Mapping[str, float]) -> dict[str, str]:
    """Return the sections of constants: their own table, and the tables of the plan that is reckoned from them."""
    found = {SCALE: _table(CONSTANT_COLUMNS, list(constant_rows(constants)), right=("value",))}
    return found | {
        f"{SCALE}.{each.name}": _table(each.columns, each.rows, right=each.columns[1:]) for each in tables(constants)
    }


def _subject(found: Found) -> str:
    said = [f"## {found.subject.title}", "\n".join(found.subject.says)]
    table = _table(COLUMNS, list(_once(rows(found))), right=NUMBERS)
    return "\n\n".join([*said, table.rstrip("\n"), *remarks(found)]) + "\n"


def _once(rows: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield rows that name their job only where it is another than that of the row above."""
    last = ""
    for job, *others in rows:
        yield ("" if job == last else job, *others)
        last = job


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    rule = ["---:" if column in right else "---" for column in columns]
    lines = [columns, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|\n" for line in lines)


def named(text: str) -> tuple[str, ...]:
    """Return the names of the sections of a page, in order."""
    return tuple(found[1] for found in _SECTION.finditer(text))


def section(text: str, name: str) -> str:
    """Return what stands in a section of a page."""
    return next(found[2] for found in _SECTION.finditer(text) if found[1] == name)


def filled(text: str, found: Mapping[str, str]) -> str:
    """Return a page with its sections filled, all of them from one report."""
    return _SECTION.sub(lambda each: _marked(each[1], found[each[1]]), text)


def new(found: Mapping[str, str]) -> str:
    """Return a page of nothing but sections."""
    parts = [TITLE]
    for name, text in found.items():
        parts += [*([HEADINGS[name]] if name in HEADINGS else []), f"{_marked(name, text)}\n"]
    return "\n".join(parts)


def _marked(name: str, text: str) -> str:
    return f"<!-- bench: {name} -->\n{text}<!-- bench: end -->"


def without(text: str) -> str:
    """Return a page without what stands in its sections: the words that people wrote."""
    return _SECTION.sub("", text)


def check(path: str, names: Sequence[str]) -> None:
    """Refuse a page that this suite will not fill whole, before anything is measured. Raises RunConfigInvalid."""
    if not os.path.lexists(path):
        return
    check_target(RealDisk(), path, force=True)
    wanted = [name.partition(".")[0] for name in named(_read(path))]
    if not wanted:
        raise _refused(path, "is there, and has no section that this command could fill", "name a new file")
    missing = sorted(set(wanted) - {MACHINE, *names})
    if missing:
        raise _refused(
            path,
            f"has sections of what is not to be measured: {', '.join(missing)}",
            "measure all that the page holds in one call, or name a new file",
        )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise _refused(path, "is no text", "name a page, or a new file") from error
    except OSError as error:
        raise _refused(path, f"could not be read: {error.strerror}", "check its permissions") from error


def _refused(path: str, says: str, hint: str) -> RunConfigInvalid:
    return RunConfigInvalid(f"{path} {says}", hint=hint, details={"field": "write", "value": path})


def write(path: str, report: Report, *, token: str) -> None:
    """Put a report into a page, whole or not at all. Raises RunConfigInvalid, StorageError."""
    found = sections(report)
    text = new(found)
    if os.path.lexists(path):
        text = filled(_read(path), found)
    publish(RealDisk(), path, lambda put: put(text.encode()), token=token, force=True)
