"""The pages of the strategies: all that is registered is there, as it declares itself."""

import re
from pathlib import Path
from typing import Any

from litestar.testing import TestClient

import outside
from buff.decisions.reasons import of_decision
from buff.decisions.strategy import source_sha256, strategies
from outline import page_of


def test_the_list_has_every_strategy_and_how_many_runs_it_has_here(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/strategies")
    links = [str(link["href"]) for link in page.all("a")]
    assert [f"/strategies/{name}" for name in strategies() if f"/strategies/{name}" not in links] == []
    assert "/runs?strategy=ma_cross" in links
    assert "/runs?strategy=macd" not in links
    assert "buff strategies list" in page.text


def test_a_strategy_says_its_parameters_its_reasons_and_its_source(client: TestClient[Any]) -> None:
    for name, strategy in strategies().items():
        _, page = page_of(client, f"/strategies/{name}")
        text = re.sub(r"\s+", " ", page.text)
        for param in strategy.params:
            assert param.name in text
            assert param.allowed in text
            assert param.says in text
        reasons = [of_decision(code, strategy.id) for code in (*strategy.reasons[1:], "risk_daily_loss")]
        for said in (strategy.rule, strategy.citation, *strategy.reasons[1:], *reasons, source_sha256(strategy)):
            assert said in text
        assert f"--strategy {name}" in text


def test_a_strategy_nobody_registered_is_an_error_page(client: TestClient[Any]) -> None:
    _, page = page_of(client, "/strategies/magic", status=400)
    assert "STRATEGY_INVALID" in page.text


def test_strategies_of_packages_say_where_they_are_from_and_one_that_cannot_be_used_is_told(
    client: TestClient[Any], site: Path
) -> None:
    outside.install(site, "riser", distribution="quiet-risers", version="1.2")
    outside.install(site, "faulty", files={"__init__.py": "import no_such_library\n"})
    _, page = page_of(client, "/strategies")
    assert "quiet-risers 1.2" in page.text
    assert "Installed and not usable" in page.text
    assert "STRATEGY_INVALID" in page.text
    assert "quiet-risers 1.2" in page_of(client, "/strategies/riser")[1].text
