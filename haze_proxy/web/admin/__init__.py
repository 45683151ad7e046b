"""What administrators see and do, below /admin."""
