//! Stripe's wire: the client, signatures and objects. Knows nothing of credits.
