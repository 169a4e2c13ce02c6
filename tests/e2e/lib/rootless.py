"""Becomes a program that has user ids of its own, as the engines of rootless containers give them:
0 and up there are FIRST and up here. Usage: rootless.py FIRST COUNT USER PROGRAM...; as root.
"""

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000


def write_maps(process: int, first: int, count: int) -> None:
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{process}/{name}", "w") as file:
            file.write(f"0 {first} {count}")


def main(first: int, count: int, user: int, program: list[str]) -> None:
    """A child that stays outside writes the maps."""
    parent = os.getpid()
    ready, is_ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(is_ready)  # else nobody's end would be seen
        if not os.read(ready, 1):
            os._exit(1)
        write_maps(parent, first, count)
        os._exit(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    os.write(is_ready, b"x")
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the user ids cannot be mapped")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
