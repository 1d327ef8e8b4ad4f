"""The processes: one file a command, and the only place where stages meet."""
