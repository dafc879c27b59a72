"""Checkout, subscriptions, refunds, disputes, the portal, clocks and webhooks."""

import json
import unittest

import stripe

from shop import (Receiver, advance, checkout, client, control, customer_with_card, eventually, monthly,
                  newest, pay, payment, v1)

START = 1_767_225_600  # 1 January 2026
DAY = 86_400


class Buying(unittest.TestCase):
    def test_a_payment_session_is_paid_and_refunded_in_parts(self):
        session = checkout(2000, client_reference_id="order-7")

        paid = pay(session.id)
        lines = v1.checkout.sessions.line_items.list(session.id)
        part = v1.refunds.create({"payment_intent": paid["payment_intent"], "amount": 500})
        charge = v1.charges.retrieve(part.charge)

        self.assertEqual((session.status, paid["status"], paid["payment_status"]), ("open", "complete", "paid"))
        self.assertEqual(lines.data[0].amount_total, 2000)
        self.assertEqual((charge.amount_refunded, charge.refunded), (500, False))
        with self.assertRaises(stripe.InvalidRequestError):
            v1.refunds.create({"payment_intent": paid["payment_intent"], "amount": 1501})

    def test_a_bank_debit_settles_later(self):
        session = checkout(2000)

        unpaid = pay(session.id, "delayed")
        control(f"/_twin/checkout/sessions/{session.id}/settle", {"outcome": "succeeded"})

        self.assertEqual((unpaid["status"], unpaid["payment_status"]), ("complete", "unpaid"))
        self.assertEqual(v1.checkout.sessions.retrieve(session.id).payment_status, "paid")
        self.assertEqual(newest("checkout.session.async_payment_succeeded").data.object.id, session.id)

    def test_a_promotion_code_lowers_a_total_and_is_counted(self):
        coupon = v1.coupons.create({"percent_off": 25, "duration": "once"})
        promotion = {"type": "coupon", "coupon": coupon.id}
        code = v1.promotion_codes.create({"promotion": promotion, "code": "PY25"})

        session = checkout(2000, discounts=[{"promotion_code": code.id}])
        pay(session.id)

        self.assertEqual((session.amount_total, session.total_details.amount_discount), (1500, 500))
        self.assertEqual(v1.promotion_codes.retrieve(code.id).times_redeemed, 1)

    def test_evidence_wins_a_dispute(self):
        intent = payment("pm_card_createDispute")
        listed = v1.disputes.list({"payment_intent": intent.id})

        evidence = {"uncategorized_text": "winning_evidence"}
        v1.disputes.update(listed.data[0].id, {"evidence": evidence, "submit": True})
        advance("1d")

        self.assertEqual(listed.data[0].status, "needs_response")
        self.assertEqual(v1.disputes.retrieve(listed.data[0].id).status, "won")

    def test_a_portal_session_opens(self):
        configuration = v1.billing_portal.configurations.create({
            "features": {"invoice_history": {"enabled": True}},
        })

        session = v1.billing_portal.sessions.create({
            "customer": customer_with_card().id,
            "configuration": configuration.id,
            "return_url": "https://shop.example/account",
        })

        self.assertEqual(session.configuration, configuration.id)
        self.assertTrue(session.url.startswith("http"))


class Subscriptions(unittest.TestCase):
    def setUp(self):
        self.basic, self.pro = monthly(2000), monthly(5000)
        self.customer = customer_with_card()
        self.subscription = self.subscribe()

    def subscribe(self, **fields):
        items = [{"price": self.basic.id}]
        return v1.subscriptions.create({"customer": self.customer.id, "items": items, **fields})

    def test_a_preview_says_what_the_change_then_costs(self):
        item = self.subscription["items"].data[0]
        change = {
            "items": [{"id": item.id, "price": self.pro.id}],
            "proration_behavior": "always_invoice",
            "proration_date": (item.current_period_start + item.current_period_end) // 2,
        }
        before = v1.events.list({"limit": 1}).data[0].id

        preview = v1.invoices.create_preview({
            "customer": self.customer.id,
            "subscription": self.subscription.id,
            "subscription_details": change,
        })
        after = v1.events.list({"limit": 1}).data[0].id
        changed = v1.subscriptions.update(self.subscription.id, {**change, "expand": ["latest_invoice"]})

        self.assertEqual((preview.total, before), (1500, after))
        self.assertEqual(sorted(line.amount for line in preview.lines.data), [-1000, 2500])
        self.assertEqual(changed.latest_invoice.amount_paid, 1500)
        self.assertEqual(changed["items"].data[0].price.id, self.pro.id)

    def test_a_schedule_is_made_and_released(self):
        schedule = v1.subscription_schedules.create({"from_subscription": self.subscription.id})
        [phase] = schedule.phases

        planned = v1.subscription_schedules.update(schedule.id, {"end_behavior": "release", "phases": [
            {"items": [{"price": self.basic.id}], "start_date": phase.start_date, "end_date": phase.end_date},
            {"items": [{"price": self.pro.id}], "duration": {"interval": "month", "interval_count": 1}},
        ]})
        released = v1.subscription_schedules.release(schedule.id)

        self.assertEqual((planned.status, len(planned.phases)), ("active", 2))
        self.assertEqual(released.status, "released")

    def test_a_subscription_is_canceled_at_the_end_or_at_once(self):
        ending = v1.subscriptions.update(self.subscription.id, {"cancel_at_period_end": True})
        kept = v1.subscriptions.update(self.subscription.id, {"cancel_at_period_end": False})
        canceled = v1.subscriptions.cancel(self.subscription.id)

        self.assertEqual(ending.cancel_at, ending["items"].data[0].current_period_end)
        self.assertIsNone(kept.cancel_at)
        self.assertEqual(canceled.status, "canceled")
        self.assertEqual(newest("customer.subscription.deleted").data.object.id, canceled.id)


class Clocks(unittest.TestCase):
    def test_a_subscription_renews_as_its_clock_passes(self):
        clocks = v1.test_helpers.test_clocks
        clock = clocks.create({"frozen_time": START})
        customer = customer_with_card(test_clock=clock.id)
        items = [{"price": monthly(2000).id}]
        subscription = v1.subscriptions.create({"customer": customer.id, "items": items})

        clocks.advance(clock.id, {"frozen_time": START + 33 * DAY})
        eventually("the clock", lambda: clocks.retrieve(clock.id).status == "ready")

        invoices = v1.invoices.list({"subscription": subscription.id})
        deleted = clocks.delete(clock.id)
        self.assertEqual([one.amount_paid for one in invoices.data], [2000, 2000])
        self.assertTrue(deleted.deleted)


class Webhooks(unittest.TestCase):
    def test_a_delivered_event_is_signed_and_is_the_listed_event(self):
        receiver = Receiver()
        endpoint = v1.webhook_endpoints.create({"url": receiver.url, "enabled_events": ["product.created"]})

        product = v1.products.create({"name": "Pro"})
        listed = newest("product.created")
        body, signature = eventually("the delivery", lambda: receiver.of(listed.id))[0]
        event = client.construct_event(body, signature, endpoint.secret)

        self.assertEqual(event.data.object.id, product.id)
        self.assertEqual(json.loads(body)["data"]["object"], listed.data.object.to_dict())
        for secret, text in (("whsec_other", body), (endpoint.secret, body + b" ")):
            with self.assertRaises(stripe.SignatureVerificationError):
                client.construct_event(text, signature, secret)
        v1.webhook_endpoints.delete(endpoint.id)
        receiver.shutdown()
        receiver.server_close()
