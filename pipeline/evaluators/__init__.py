"""Stage 3: from closed threads to scores.

Reads   threads, rules; traces and spans as storage has them
Writes  scores; dead-letters
Keeps   at least once, and scores that are the same when given again: offsets are committed after publishing
Enter   stage.run
"""
