"""Every page in a real browser, in both schemes, on a wide and on a narrow screen: nothing goes wrong on it."""

from typing import Any

import pytest

from every_page import EXAMPLES, registered

pytestmark = pytest.mark.browser

WIDE, NARROW = 1400, 390


def test_every_page_has_an_example() -> None:
    assert registered() == set(EXAMPLES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", sorted(EXAMPLES))
def test_every_page_is_clean(visit: Any, furnished: Any, page: str, scheme: str) -> None:
    """No violation of the policy, no error on the console, no foreign request, nothing axe finds, no overflow."""
    place, server = furnished
    tab = visit(scheme, width=WIDE)
    for address in place.addresses(page):
        tab.page.set_viewport_size({"width": WIDE, "height": 900})
        answer = tab.page.goto(server.local + address)
        assert answer.status in (200, 409), f"{address}: {answer.status}"
        if answer.status == 409:
            tab.wrong.clear()  # the browser says that a damaged run is answered with an error, which is right
        if tab.page.locator(".chart[data-api]").count():
            tab.drawn()
            tab.page.locator(".chart:not([data-busy])").wait_for()
        tab.check()
        tab.page.set_viewport_size({"width": NARROW, "height": 800})
        tab.clean()
