"""The owner's commands, a file for each group of them, and what they share."""
