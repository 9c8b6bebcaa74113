"""The public API is one screen of names; the page that documents it names every part of every one."""

import inspect
import re
import subprocess
import sys
from collections.abc import Mapping

import attrs
import msgspec
import pytest

import buff
from buff import testing
from buff.settings import Settings
from pages import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reference" / "python_api.md").read_text(encoding="utf-8")
SETTINGS = (REPOSITORY / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
CLASSES = [name for name in buff.__all__ if inspect.isclass(getattr(buff, name))]
FUNCTIONS = [name for name in buff.__all__ if inspect.isfunction(getattr(buff, name))]


def section(name: str) -> str:
    """The part of the page below a name's heading."""
    return re.split(r"^## ", PAGE.split(f"\n## buff.{name}\n")[1], flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """What stands in the first cells of the tables of a text, without quotes and arguments."""
    return [cell.partition("(")[0] for cell in re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)]


def members(kind: type) -> set[str]:
    """The public attributes of a class: its fields, properties and methods, and what its instances are given."""
    if issubclass(kind, msgspec.Struct):
        return set(kind.__struct_fields__)
    named = {name for name, value in vars(kind).items() if not isinstance(value, kind)}  # the cases of an enum are data
    fields = {field.name for field in attrs.fields(kind)} if attrs.has(kind) else _assigned(kind)
    return {name for name in named | fields if _public(name)}


def _assigned(kind: type) -> set[str]:
    """The attributes that `__init__` gives to an instance."""
    lines = inspect.getsource(kind.__init__).splitlines() if "__init__" in vars(kind) else []  # type: ignore[misc]
    targets = [line.partition(" = ")[0] for line in lines if " = " in line]
    return {name for target in targets for name in re.findall(r"self\.(\w+)", target)}


def _public(name: str) -> bool:
    return not name.startswith("_")


def test_the_public_names_are_these():
    """Adding one is a decision: write it in docs/decisions."""
    assert buff.__all__ == [
        "Bars",
        "BuffError",
        "Decisions",
        "Ingest",
        "LegacyEntry",
        "LegacyRoot",
        "LegacyRun",
        "Metric",
        "Outcome",
        "Page",
        "Param",
        "Params",
        "Records",
        "Run",
        "RunEntry",
        "Store",
        "Strategy",
        "Sweep",
        "SweepEntry",
        "SweepResults",
        "Timeframe",
        "Trial",
        "Verdict",
        "__version__",
        "create_run",
        "create_runs",
        "create_sweep",
        "ingest",
        "inspect_data",
        "open",
        "open_legacy",
        "resume_sweep",
        "sweep_results",
        "verify",
        "verify_all",
    ]


def test_every_public_name_can_be_had_and_nothing_else_is_offered():
    assert dir(buff) == sorted(buff.__all__)
    for name in buff.__all__:
        assert getattr(buff, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'backtest'"):
        _ = buff.backtest


def test_importing_buff_imports_nothing_heavy():
    code = "import sys, buff; print(sorted({'pyarrow', 'pandas', 'litestar', 'structlog', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_page_documents_every_public_name_and_no_other():
    headings = re.findall(r"^## buff\.(\S+)$", PAGE, flags=re.MULTILINE)
    assert sorted(heading.replace("\\", "") for heading in headings) == sorted(buff.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_page_documents_every_argument_with_its_default(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S*) ?\|", section(name), flags=re.MULTILINE))
    wanted = {}
    for parameter in inspect.signature(getattr(buff, name)).parameters.values():
        told = parameter.default is not parameter.empty and not callable(parameter.default)
        wanted[parameter.name] = f"`{parameter.default!r}`" if told else ""
    assert rows == wanted


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in ("Records", "BuffError")])
def test_the_page_documents_every_part_of_a_class(name: str) -> None:
    documented = first_cells(section(name))
    assert len(documented) == len(set(documented))
    known = members(getattr(buff, name))
    assert known - set(documented) - UNTOLD.get(name, set()) == set(), "not on the page"
    assert set(documented) - known == set(), "on the page only"


UNTOLD = {"Store": {"host", "settings", "disk"}}  # what it was made with


def test_the_page_documents_every_part_of_an_error():
    error = buff.BuffError("it is so", hint="do this")
    parts = {name for name in dir(error) if _public(name) and name not in dir(Exception)}
    assert set(first_cells(section("BuffError"))) == parts


def test_the_page_documents_every_name_of_the_test_kit():
    text = re.split(r"^## ", PAGE.split("\n## The module `buff.testing`\n")[1], flags=re.MULTILINE)[0]
    assert sorted(first_cells(text)) == sorted(testing.__all__)
    for shown in re.findall(r"^\| `(\w+\([^`]+\))` \|", text, flags=re.MULTILINE):
        name, _, given = shown.rstrip(")").partition("(")
        wanted = [
            parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"
            for parameter in inspect.signature(getattr(testing, name)).parameters.values()
        ]
        assert given.replace('"', "'").split(", ") == wanted


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def get(self, key: str, default: object = None) -> None:  # type: ignore[override]
        self.names.append(key)


def test_the_page_of_settings_lists_every_variable_with_its_default():
    environment = Asked()
    settings = Settings.from_env(environment)
    rows: Mapping[str, str] = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", SETTINGS, flags=re.MULTILINE))
    assert sorted(rows) == sorted(environment.names)
    for variable, default in rows.items():
        if default.isdigit():
            assert getattr(settings, variable.removeprefix("BUFF_").lower()) == int(default)
    assert (settings.runs_root, settings.artifacts_root, settings.user) == (None, None, "unknown")
