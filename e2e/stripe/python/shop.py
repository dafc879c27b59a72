"""What the tests share: the SDK, the twin's control interface, and a receiver of webhooks."""

import json
import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

API_URL = os.environ["API_URL"]
TWIN_URL = os.environ["TWIN_URL"]
PATIENCE_SECONDS = 20


def sdk(key=os.environ["API_KEY"], **options):
    """The SDK, with the recorder's address."""
    options.setdefault("max_network_retries", 0)
    return stripe.StripeClient(key, base_addresses={"api": API_URL}, **options)


client = sdk()
v1 = client.v1


def control(path, body):
    """A call of the twin's control interface."""
    request = urllib.request.Request(TWIN_URL + path, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def pay(session, method="card"):
    return control(f"/_twin/checkout/sessions/{session}/pay", {"payment_method": method})


def advance(duration):
    return control("/_twin/clock", {"advance": duration})


def eventually(what, ask):
    """Repeats a call until its result is truthy."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"Timed out waiting for {what}.")


def customer_with_card(card="pm_card_visa", **fields):
    settings = {"default_payment_method": card}
    params = {"name": "Ada", "payment_method": card, "invoice_settings": settings}
    return v1.customers.create({**params, **fields})


def monthly(amount, **fields):
    return v1.prices.create({
        "currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"},
        "product_data": {"name": f"Plan of {amount}"}, **fields,
    })


def payment(card="pm_card_visa", options=None, **fields):
    methods = {"enabled": True, "allow_redirects": "never"}
    params = {"amount": 2000, "currency": "usd", "payment_method": card, "confirm": True}
    return v1.payment_intents.create({**params, "automatic_payment_methods": methods, **fields}, options)


def checkout(amount, **fields):
    price = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Credits"}}
    if fields.get("mode") == "subscription":
        price["recurring"] = {"interval": "month"}
    return v1.checkout.sessions.create({
        "mode": "payment", "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": "https://shop.example/done", **fields,
    })


def newest(event_type):
    return v1.events.list({"type": event_type, "limit": 1}).data[0]


class Receiver(ThreadingHTTPServer):
    """Receives webhooks and keeps each body with its signature."""

    def __init__(self):
        self.received = []
        super().__init__(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, event_id):
        return [one for one in self.received if event_id.encode() in one[0]]


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((body, self.headers["stripe-signature"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass
