"""What an owner would look at when something does not work, as `haze-proxy doctor` does."""
