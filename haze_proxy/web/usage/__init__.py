"""What an account has used: its log, receipts, and sums over time."""
