"""Patience with an orchestrator on a machine that has much else to do: orchctl's own is a person's, 2 s."""
import subprocess
import time

SECONDS = 60
LOOKS = {"status", "health", "monitor", "manifest"}  # may be asked again
# A repetition might do it twice. Who moves symbols or leads back is not among them: what an orchestrator has not answered when the next
# one follows it is never answered.
CHANGES = {"start", "stop", "restart", "kill", "pause", "resume", "fault", "shutdown", "drain", "direction"}


def patient(words):
    """The words of a verb that changes something, with more patience, unless they name their own."""
    own = not words or words[0] not in CHANGES or {"--timeout", "--help"} & set(words)
    return words if own else [*words, "--timeout", "20"]


def said(orchctl, words, folder, process, **options):
    """What orchctl says; who only looks asks again while the orchestrator lives and is too busy to answer."""
    words = patient([str(word) for word in words])
    until = time.monotonic() + SECONDS
    while True:
        done = subprocess.run([str(orchctl), *words], cwd=folder, capture_output=True, text=True, **options)
        unheard = "the orchestrator did not answer within" in done.stderr and words[0] in LOOKS
        if not unheard or "--timeout" in words or not process or process.poll() is not None or time.monotonic() > until:
            return done
