"""Which addresses webhooks may have."""

import pytest

from shared.errors import Refusal
from shared.hookdesk import Addresses
from tests.shared.strangers import ABROAD


@pytest.mark.parametrize("url", ABROAD)
async def test_an_address_that_leads_inside_is_never_named(url: str, never: None) -> None:
    with pytest.raises(Refusal) as caught:
        await Addresses().check(url, field="webhook")
    assert caught.value.code in ("bad_webhook", "webhook_unreachable")
    assert caught.value.field == "webhook"


async def test_the_operator_may_allow_an_origin_and_nothing_beside_it() -> None:
    near = Addresses(["http://127.0.0.1:9000"])
    await near.check("http://127.0.0.1:9000/told?by=pictor")
    for other in ("http://127.0.0.1:9001/", "https://127.0.0.1:9000/", "http://localhost:9000/"):
        with pytest.raises(Refusal):
            await near.check(other)
