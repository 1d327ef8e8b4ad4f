"""Threadline: traces in, conversations out."""
