"""no_unix_sockets.py COMMAND...: as systemd's RestrictAddressFamilies=AF_INET AF_INET6 runs it, by the
same means (seccomp(2))."""

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
NUMBER_OF_SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
NUMBER, FIRST_ARGUMENT = 0, 16  # in struct seccomp_data; a little-endian machine's lower half


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def main() -> None:
    program = b"".join(
        [
            step(LOAD, NUMBER),
            step(IF_EQUAL, NUMBER_OF_SOCKET[platform.machine()], 0, 3),
            step(LOAD, FIRST_ARGUMENT),
            step(IF_EQUAL, socket.AF_UNIX, 0, 1),
            step(RETURN, REFUSE),
            step(RETURN, ALLOW),
        ]
    )
    held = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described)):
        if libc.prctl(*words) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[1], sys.argv[1:])


main()
