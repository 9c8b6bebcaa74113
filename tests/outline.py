"""A page as its tests ask about it: its elements, its text, and whether every element is closed."""

from html.parser import HTMLParser
from typing import Any

from litestar.testing import TestClient


class Outline(HTMLParser):
    """The parts of a page that tests ask about."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(client: TestClient[Any], path: str, status: int = 200) -> tuple[str, Outline]:
    """Return a page's HTML and its outline."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text, Outline(answer.text)


def ids_of(client: TestClient[Any]) -> dict[str, str]:
    """Return the ids of the runs of a root by their timeframe."""
    return {item["timeframe"]: item["run_id"] for item in client.get("/api/v1/runs").json()["items"]}
