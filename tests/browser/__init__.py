"""The page in a real browser; a package, so that fixtures can end with its last test."""
