"""The reference page of the HTTP API is what the API says of itself."""

from http_page import page
from pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "http_api.md"


def test_the_page_is_up_to_date():
    again = "write it again: python tests/http_page.py > docs/reference/http_api.md"
    assert PAGE.read_text(encoding="utf-8") == page(), again


def test_the_page_shows_operations_with_their_parameters_answers_and_errors():
    text = page()
    assert "\n### `GET /api/v1/runs/{run_id}/trades`\n" in text
    assert "| `max` | whole number from 50 to 3,000, default 3,000 | at most so many points |" in text
    assert "\nErrors of its own: `RUN_NOT_FOUND`, `RUN_DAMAGED`.\n" in text
