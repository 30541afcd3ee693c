"""Conformance driver for the Python client `rocketmq` 0.4.4, which wraps the official C++ client.

Runs every scenario against the server at NAMESRV_ADDR and prints one PASS, FAIL or SKIP line for
each. Every scenario has a process of its own, so that a crash of the C++ library fails that scenario
only. A few run in parallel, the one that kills the server alone. Nothing here knows which server
answers: the real Apache RocketMQ 5.3.3 passes the scenarios too, so a failure is the server's. The one
it fails (see scenarios.dead_letter) is skipped with KEROLOX_REFERENCE=1.
"""

import os
import subprocess
import sys
import threading
import time
import traceback

# Name to deadline in seconds; the function in scenarios.py has the name with underscores.
# The longest come first.
SCENARIOS = {
    "retry": 90,
    "dead-letter": 90,
    "send-sync": 30,
    "send-async": 30,
    "send-oneway": 30,
    "keys-tags-properties": 30,
    "chinese-text": 30,
    "compressed-body": 30,
    "body-4-mib": 60,
    "delay-level": 30,
    "tag-filter": 30,
    "pull": 30,
    "consume-from-first": 30,
    "resume-from-committed-offset": 60,
    "rebalance": 60,
    "broadcasting": 60,
    "ordered": 60,
}

# Runs alone: it takes the server away from everybody.
KILL_RESTART = "kill-restart-under-load"
KILL_RESTART_DEADLINE = 90

# Scenarios at the same time. The C++ client starts a dozen threads and gives up on a connection after
# a few seconds: sixteen processes starting at once on two cores find no route.
PARALLEL = 4

# Extra seconds for a client that hangs and ignores the deadline.
GRACE = 10


def say(line):
    """One line in one write, so that the lines of parallel processes stay whole."""
    os.write(1, (line + "\n").encode())


def supervise(name, deadline):
    """Runs the scenario in a child process, which prints its own line unless it dies."""
    child = subprocess.Popen([sys.executable, __file__, "--child", name, str(deadline)])
    try:
        code = child.wait(timeout=deadline + GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        say("FAIL %s: hung for %d s" % (name, deadline + GRACE))
        return False
    if code not in (0, 1):
        say("FAIL %s: the client crashed, exit code %d" % (name, code))
    return code == 0


def perform(name, deadline):
    """The child: runs one scenario and leaves without the library's destructors, which may hang."""
    import harness
    import scenarios

    started = time.monotonic()
    harness.set_deadline(deadline)
    try:
        getattr(scenarios, name.replace("-", "_"))()
    except Exception as error:
        traceback.print_exc()
        say("FAIL %s: %s" % (name, str(error).replace("\n", " | ")))
        os._exit(1)
    say("PASS %s (%d ms)" % (name, (time.monotonic() - started) * 1000))
    os._exit(0)


def main(only):
    if not os.environ.get("NAMESRV_ADDR") or not os.environ.get("BROKER_ADDR"):
        print("NAMESRV_ADDR and BROKER_ADDR must be set", file=sys.stderr)
        return 2
    passed = {}
    turn = threading.Semaphore(PARALLEL)

    def record(name, deadline):
        with turn:
            passed[name] = supervise(name, deadline)


    def wanted(name):
        return not only or any(part in name for part in only)

    chosen = [item for item in SCENARIOS.items() if wanted(item[0])]
    if os.environ.get("KEROLOX_REFERENCE") == "1" and "dead-letter" in dict(chosen):
        say("SKIP dead-letter: the reference server fails it")
        chosen.remove(("dead-letter", SCENARIOS["dead-letter"]))
    threads = [threading.Thread(target=record, args=item) for item in chosen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wanted(KILL_RESTART):
        if os.environ.get("KEROLOX_NO_RESTART") == "1":
            say("SKIP %s: no restart here" % KILL_RESTART)
        else:
            record(KILL_RESTART, KILL_RESTART_DEADLINE)
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        perform(sys.argv[2], int(sys.argv[3]))
    sys.exit(main(sys.argv[1:]))
