"""Become another program that the kernel kills when the starting process dies.

Run as `python tether.py <parent pid> <program> <arguments>...` by process.py, in an interpreter of its own: Python code
between fork and exec (`preexec_fn`) can deadlock in a parent that has OS threads. The signal survives exec,
except into a set-uid program (prctl(2), PR_SET_PDEATHSIG).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Bind this process to its parent, then replace it with the program."""
    parent_pid, *argv = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent_pid):
        sys.exit("the parent died before the child was bound to it")
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main()
