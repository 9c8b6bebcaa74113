"""The kill switch as every page shows it: that it is on, why, and what to do; and nothing while it is off."""

from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from buff.safety import engage, release
from outline import ids_of
from whole import opened


@pytest.mark.parametrize("path", ["/runs", "/runs/RUN", "/strategies", "/help"])
def test_every_page_says_that_it_is_on_and_why(client: TestClient[Any], several: Path, path: str) -> None:
    address = path.replace("RUN", ids_of(client)["1m"])
    assert "KILL_SWITCH_ENGAGED" not in client.get(address).text.partition("<main")[0]
    with opened(several) as store:
        engage(store, "the <feed> is wrong")
        html = client.get(address).text.partition("<main")[0]
        assert "KILL_SWITCH_ENGAGED" in html
        assert "the &lt;feed&gt; is wrong" in html
        assert "buff kill-switch off" in html
        release(store)
    assert "KILL_SWITCH_ENGAGED" not in client.get(address).text.partition("<main")[0]
