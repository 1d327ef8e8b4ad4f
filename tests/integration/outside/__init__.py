"""A whole stack, seen from outside; a package, so that the stack can end with its last test."""
