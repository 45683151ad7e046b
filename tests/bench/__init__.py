"""What Haze costs beside a bare relay: `python -m tests.bench` prints one table."""
