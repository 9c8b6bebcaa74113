"""The reference page of the command line, written from the commands themselves.

    python tests/cli_page.py > docs/reference/cli.md

Nothing goes in but the commands; Markdown comes out. `test_cli_page.py` fails while the page is another.
"""

import sys
from collections.abc import Iterator

import click

from buff.cli.main import buff
from journal_tools.__main__ import buff_journal

HEAD = """\
# Command line

This page is made from the commands: `python tests/cli_page.py > docs/reference/cli.md`.

Every command prints tables on a terminal and tab-separated lines in a pipe.
With `--json` it prints one JSON value.
An error is then one JSON object on standard error, `{code, message, details, hint}`.
`NO_COLOR` is respected; a progress bar appears on a terminal for what takes longer than a second.
[Errors and exit codes](errors.md) lists the codes, [Settings](settings.md) the environment variables.
"""


def page() -> str:
    """Return the page."""
    commands = [(buff, "buff"), (buff_journal, "buff-journal")]
    return HEAD + "".join(f"\n{section}" for command, name in commands for section in _sections(command, name, None))


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield _section(command, name)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None, f"{name} lists {each}"
            yield from _sections(found, f"{name} {each}", context)


def _section(command: click.Command, name: str) -> str:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    words = [name, *(_placeholder(each) for each in arguments), *(["[OPTIONS]"] if options else [])]
    words += ["COMMAND"] if isinstance(command, click.Group) else []
    parts = [f"## {name}\n", _text(command.help), f"```text\n{' '.join(words)}\n```\n"]
    if options:
        rows = "".join(f"| {_names(option)} | {_cell(_help(option))} |\n" for option in options)
        parts.append(f"| option | what it does |\n|---|---|\n{rows}")
    return "\n".join(parts)


def _text(text: str | None) -> str:
    """Return a help text as Markdown: paragraphs kept, the lines of each joined."""
    paragraphs = (text or "").strip().split("\n\n")
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs) + "\n"


def _placeholder(argument: click.Argument) -> str:
    return (argument.metavar or str(argument.name)).upper() + ("..." if argument.nargs == -1 else "")


def _names(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper().partition(' ')[0]}"
    names = [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{name}{value}`" for name in names) + (" (repeatable)" if option.multiple else "")


def _help(option: click.Option) -> str:
    shown = f"  [default: {option.default}]" if option.show_default and option.default is not None else ""
    return (option.help or "") + shown


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("  [", " [").strip()


if __name__ == "__main__":
    sys.stdout.write(page())
