//! Pure rules: money, credits, plans, access. No clock, no I/O, no float.
