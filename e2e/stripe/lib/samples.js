// What the tests sell, and to whom.

/** A customer who pays with a card; `card` is a test payment method. */
export async function customerWithCard(stripe, card = "pm_card_visa", fields = {}) {
  return stripe.customers.create({
    name: "Ada",
    email: "ada@lovelace.example",
    payment_method: card,
    invoice_settings: { default_payment_method: card },
    ...fields,
  });
}

/** A monthly price of its own product. */
export async function monthly(stripe, amount, fields = {}) {
  return stripe.prices.create({
    currency: "usd",
    unit_amount: amount,
    recurring: { interval: "month" },
    product_data: { name: `Plan of ${amount}` },
    ...fields,
  });
}

/** A payment by card, which is confirmed at once. */
export async function payment(stripe, card = "pm_card_visa", fields = {}, options = {}) {
  const create = {
    amount: 2000,
    currency: "usd",
    payment_method: card,
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
    ...fields,
  };
  return stripe.paymentIntents.create(create, options);
}

/** A Checkout session of one item that is made for it. */
export async function checkout(stripe, amount, fields = {}) {
  const { mode = "payment" } = fields;
  const recurring = mode === "subscription" ? { recurring: { interval: "month" } } : {};
  const price_data = { currency: "usd", unit_amount: amount, product_data: { name: "Credits" } };
  return stripe.checkout.sessions.create({
    mode,
    line_items: [{ price_data: { ...price_data, ...recurring }, quantity: 1 }],
    success_url: "https://shop.example/done?session={CHECKOUT_SESSION_ID}",
    cancel_url: "https://shop.example/",
    ...fields,
  });
}
