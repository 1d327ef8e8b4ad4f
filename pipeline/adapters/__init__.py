"""The outside world, each part wrapped once."""
