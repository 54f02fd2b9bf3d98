"""Which recordings of a folder a test run opened.

recordings.py watch FOLDER FILE    until terminated, append the name of every recording that is opened to FILE, each once
recordings.py report FOLDER FILE   print `recordings used: K of M (FOLDER)` and the names of those nobody opened

A recording is any file below FOLDER except descriptions (*.md, facts.json). The kernel (inotify) says which are opened, so no test
has to report anything and none can claim too much.
"""

import ctypes
import os
import signal
import struct
import sys

IN_OPEN = 0x20
EVENT = struct.Struct("iIII")


def is_recording(name):
    return not name.startswith(".") and not name.endswith(".md") and name != "facts.json"


def recordings(folder):
    found = set()
    for path, _, names in os.walk(folder):
        found.update(os.path.relpath(os.path.join(path, name), folder) for name in names if is_recording(name))
    return found


def watch(folder, out_path):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    folders = {}
    for path, _, _ in os.walk(folder):
        number = libc.inotify_add_watch(descriptor, os.fsencode(path), IN_OPEN)
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch " + path)
        folders[number] = path
    seen = set()
    with open(out_path, "a", encoding="utf-8") as out:
        print("watching", flush=True)
        while True:
            data = os.read(descriptor, 65536)
            offset = 0
            while offset < len(data):
                number, _, _, length = EVENT.unpack_from(data, offset)
                name = os.fsdecode(data[offset + EVENT.size : offset + EVENT.size + length].rstrip(b"\0"))
                offset += EVENT.size + length
                path = os.path.relpath(os.path.join(folders.get(number, folder), name), folder)
                if is_recording(name) and path not in seen and os.path.isfile(os.path.join(folder, path)):
                    seen.add(path)
                    print(path, file=out, flush=True)


def report(folder, seen_path):
    if not os.path.isdir(folder):
        print(f"recordings used: none, the folder is absent ({folder}); tests that need recordings were skipped")
        return
    wanted = recordings(folder)
    if not wanted:
        print(f"recordings used: none, the folder has none ({folder})")
        return
    try:
        with open(seen_path, encoding="utf-8") as lines:
            used = wanted & set(lines.read().splitlines())
    except OSError:
        print(f"recordings used: unknown of {len(wanted)} ({folder}): the watcher did not run")
        return
    missed = sorted(wanted - used)
    if missed:
        print("recordings no test opened: " + ", ".join(missed))
    print(f"recordings used: {len(used)} of {len(wanted)} ({folder})")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
{"watch": watch, "report": report}[sys.argv[1]](sys.argv[2], sys.argv[3])
