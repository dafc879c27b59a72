"""Objects, paging, expanding, searching, idempotency and errors."""

import unittest

import stripe

from shop import checkout, client, control, customer_with_card, monthly, payment, sdk, v1


class Objects(unittest.TestCase):
    def test_a_customer_is_created_changed_read_and_deleted(self):
        ada = v1.customers.create({"name": "Ada", "metadata": {"a": "1", "b": "2"}})
        changed = v1.customers.update(ada.id, {"name": "", "metadata": {"a": "", "c": "3"}})
        deleted = v1.customers.delete(ada.id)
        read = v1.customers.retrieve(ada.id)

        self.assertEqual((ada.object, ada.livemode), ("customer", False))
        self.assertIsNone(changed.name)
        self.assertEqual(changed.metadata.to_dict(), {"b": "2", "c": "3"})
        self.assertTrue(deleted.deleted and read.deleted)

    def test_a_price_is_found_by_its_lookup_key_with_its_product(self):
        price = monthly(1900, lookup_key="pro")

        found = v1.prices.list({"lookup_keys": ["pro"], "expand": ["data.product"]})
        retired = v1.prices.update(price.id, {"active": False})

        self.assertEqual(found.data[0].product.name, "Plan of 1900")
        self.assertFalse(retired.active)

    def test_twenty_five_customers_are_paged_through_in_both_directions(self):
        email = "page@hopper.example"
        made = [v1.customers.create({"email": email}).id for _ in range(25)]
        newest_first = made[::-1]

        every = [one.id for one in v1.customers.list({"email": email, "limit": 10}).auto_paging_iter()]
        upward = v1.customers.list({"email": email, "limit": 10, "ending_before": newest_first[24]})
        after = v1.customers.list({"email": email, "limit": 20, "starting_after": newest_first[9]})

        self.assertEqual(every, newest_first)
        self.assertEqual([one.id for one in upward.auto_paging_iter()], made[1:])
        self.assertEqual([one.id for one in after.data], newest_first[10:])
        self.assertFalse(after.has_more)

    def test_a_search_finds_by_metadata(self):
        for seat in ("1", "2"):
            v1.customers.create({"name": "Guido", "metadata": {"seat": seat}})

        found = v1.customers.search({"query": "name:'Guido' AND metadata['seat']:'2'"})

        self.assertEqual([one.metadata["seat"] for one in found.auto_paging_iter()], ["2"])

    def test_a_subscriptions_invoice_is_expanded(self):
        subscription = v1.subscriptions.create({
            "customer": customer_with_card().id,
            "items": [{"price": monthly(2000).id}],
            "expand": ["latest_invoice.payments", "customer"],
        })

        self.assertEqual(subscription.customer.name, "Ada")
        self.assertEqual(subscription.latest_invoice.payments.data[0].amount_paid, 2000)


class Idempotency(unittest.TestCase):
    def test_the_same_key_and_parameters_answer_the_same_object(self):
        options = {"idempotency_key": "python-replay"}

        first = v1.customers.create({"name": "Ada", "phone": "1"}, options)
        again = v1.customers.create({"phone": "1", "name": "Ada"}, options)

        self.assertEqual(first.id, again.id)
        self.assertEqual(again.last_response.headers["idempotent-replayed"], "true")

    def test_the_same_key_with_other_parameters_is_an_idempotency_error(self):
        options = {"idempotency_key": "python-other"}
        v1.customers.create({"name": "Ada"}, options)

        with self.assertRaises(stripe.IdempotencyError) as refused:
            v1.customers.create({"name": "Bob"}, options)

        self.assertEqual(refused.exception.http_status, 400)

    def test_a_retried_call_makes_one_customer(self):
        email = "retried@hopper.example"
        control("/_twin/faults", {"mode": "cut_after", "count": 1})

        made = sdk(max_network_retries=2).v1.customers.create({"email": email})

        found = v1.customers.list({"email": email})
        self.assertEqual([one.id for one in found.data], [made.id])
        self.assertEqual(made.last_response.headers.get("idempotent-replayed"), "true")


class Errors(unittest.TestCase):
    def test_a_declined_card_is_a_card_error_with_its_reason(self):
        with self.assertRaises(stripe.CardError) as declined:
            payment("pm_card_visa_chargeDeclinedInsufficientFunds")

        error = declined.exception
        self.assertEqual((error.http_status, error.code), (402, "card_declined"))
        self.assertEqual(error.error.decline_code, "insufficient_funds")
        self.assertEqual(error.error.payment_intent.status, "requires_payment_method")
        self.assertEqual(error.user_message, "Your card has insufficient funds.")

    def test_an_invalid_request_names_its_parameter(self):
        cases = [
            (lambda: v1.customers.create({"nickname": "Ada"}), 400, "parameter_unknown", "nickname"),
            (lambda: v1.customers.create({"address": {"planet": "Mars"}}), 400, "parameter_unknown",
             "address[planet]"),
            (lambda: v1.customers.retrieve("cus_missing"), 404, "resource_missing", "id"),
            (lambda: v1.customers.list({"starting_after": "cus_missing"}), 400, "resource_missing",
             "starting_after"),
            (lambda: checkout(2000, customer="cus_missing"), 400, "resource_missing", "customer"),
        ]
        for call, *wanted in cases:
            with self.assertRaises(stripe.InvalidRequestError) as refused:
                call()
            error = refused.exception
            self.assertEqual([error.http_status, error.code, error.param], wanted)
            self.assertTrue(error.request_id.startswith("req_"))

    def test_a_wrong_key_is_an_authentication_error(self):
        with self.assertRaises(stripe.AuthenticationError):
            sdk("sk_bogus").v1.customers.list()

    def test_too_many_requests_are_a_rate_limit_error(self):
        control("/_twin/rate-limits", {"enabled": True, "perSecond": 1})
        self.addCleanup(control, "/_twin/rate-limits", {"enabled": False})

        with self.assertRaises(stripe.RateLimitError) as limited:
            for _ in range(10):
                v1.customers.list({"limit": 1})

        self.assertEqual(limited.exception.http_status, 429)

    def test_a_restricted_key_does_only_what_it_may(self):
        key = control("/_twin/keys", {"permissions": {"customer": "read"}})["key"]
        restricted = sdk(key).v1

        restricted.customers.list()
        with self.assertRaises(stripe.PermissionError):
            restricted.customers.create({})

    def test_a_failure_of_the_api_is_an_api_error(self):
        control("/_twin/faults", {"mode": "status", "status": 500, "count": 1})

        with self.assertRaises(stripe.APIError) as failed:
            client.v1.customers.create({"name": "Ada"})

        self.assertEqual(failed.exception.http_status, 500)
