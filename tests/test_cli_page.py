"""The reference page of the command line is what the commands say of themselves."""

from cli_page import page
from pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "cli.md"


def test_the_page_is_up_to_date():
    again = "write it again: python tests/cli_page.py > docs/reference/cli.md"
    assert PAGE.read_text(encoding="utf-8") == page(), again


def test_the_page_shows_every_command_with_its_options_and_defaults():
    text = page()
    assert "\n## buff run create\n" in text
    assert "```text\nbuff run verify RUN_ID [OPTIONS]\n```" in text
    assert "```text\nbuff data inspect CSV... [OPTIONS]\n```" in text
    assert "| `--limit INTEGER` | At most this many. [default: 100] |" in text
