"""An account's money: codes, payments by card, and its transfers."""
