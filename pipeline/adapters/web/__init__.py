"""HTTP: bodies in, failures out, who calls, and how long it took."""
