"""Payments by card: the only room but channels that calls out. It knows no accounts, no balances and no SQL."""
