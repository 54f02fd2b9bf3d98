"""A disk of a few hundred KiB: a tmpfs in a mount namespace of this thread, which what it starts shares and nobody else sees. It is
gone with the last of them, however a test ends."""
import contextlib
import ctypes
import os
import pathlib

import pytest

CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 0x40000, 2
PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) != 0:
        reason = ctypes.get_errno()
        raise OSError(reason, os.strerror(reason))


class SmallDisk:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ballast = self.folder / "ballast"

    def pages_left(self):
        return os.statvfs(self.folder).f_bavail

    def fill(self, pages_left=0):
        """Takes all its room but so many pages. What others write at the same time is as good: a disk can be full only once."""
        with open(self.ballast, "ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while (pages := self.pages_left() - pages_left) > 0:
                ballast.write(bytes(PAGE * min(pages, 256)))

    def free(self):
        self.ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def mounted(folder, kib):
    """The folder as a disk of its own. Skipped where this user may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    outside, here = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY), os.getcwd()
    try:
        try:
            call(libc.unshare, CLONE_NEWNS)
            call(libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
            call(libc.mount, b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={kib}k".encode())
        except PermissionError as refused:
            pytest.skip(f"a disk of a test's own cannot be mounted here: {refused}")
        try:
            yield SmallDisk(folder)
        finally:
            call(libc.umount2, bytes(folder), MNT_DETACH)
    finally:
        call(libc.setns, outside, CLONE_NEWNS)
        os.chdir(here)  # setns leads to "/", and this thread alone: ZeroMQ's own would look for a relative socket elsewhere
        os.close(outside)
