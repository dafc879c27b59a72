"""Run by the server's tests against a running service: BILLING_URL, BILLING_KEY (500 credits), and
FLAKY_URL, whose first two answers are 503 and whose /api/pricing never gets better."""

import os
from decimal import Decimal

from localboxs_billing import Billing, BillingError, Refusal

billing = Billing(os.environ["BILLING_URL"], os.environ["BILLING_KEY"])


def fails(call, **wanted):
    try:
        call()
    except BillingError as error:
        found = {name: getattr(error, name) for name in wanted}
        assert found == wanted, found
        return error
    raise AssertionError("it did not fail")


before = billing.balance()["available"]
held = billing.authorize("py-1", {"credits": 10})
assert held and billing.authorize("py-1", {"credits": 10})["id"] == held["id"], "one key is one hold"
settled = billing.capture(held["id"], {"credits": Decimal("4.5")})
assert (settled["captured"], settled["released"]) == (Decimal("4.5"), Decimal("5.5")), settled
assert billing.hold(held["id"])["charged"] == Decimal("4.5")

other = billing.authorize("py-2", {"credits": 3})
assert billing.release(other["id"])["state"] == "released"
charged = billing.debit("py-3", {"operation": "call", "units": 2})
assert billing.debit("py-3", {"operation": "call", "units": 2})["id"] == charged["id"]
batch = billing.debit_batch({"debits": [{"key": "py-4", "credits": 1}]})
assert batch["results"][0]["status"] == 201, batch

refused = billing.debit("py-5", {"credits": 1_000_000})
assert isinstance(refused, Refusal) and not refused
assert (refused.code, refused.needed) == ("insufficient_credits", 1_000_000), refused
assert "account=acc_" in refused.top_up_url

wrong = fails(
    lambda: billing.debit("py-6", {"credits": -1}), status=400, code="invalid_field", field="credits"
)
assert wrong.request_id.startswith("req_")
fails(lambda: Billing(os.environ["BILLING_URL"], "lbx_test_wrong").balance(), status=401)
assert billing.access(operation="call", units=1)["allowed"] is True
assert billing.pricing()["plans"]
tiny = billing.debit("py-tiny", {"credits": Decimal("0.00001")})
assert tiny["credits"] == Decimal("0.00001"), tiny
spent = Decimal("4.50001") + charged["credits"] + 1
assert billing.balance()["available"] == before - spent

flaky = Billing(os.environ["FLAKY_URL"], "lbx_test_any")
assert flaky.balance()["available"] == 7, "the third try is answered"
fails(flaky.pricing, status=503)
fails(Billing("http://127.0.0.1:9", "k", tries=2).balance, code="no_answer")
