"""The write side of Opik's wire protocol: one file an entity."""
