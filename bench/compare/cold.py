"""One consumer of segments that have left the page cache, and what it does to the latency of producers."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from .bench import Bench
from .servers import Server
from .table import Table

RATE = 20_000
STEADY = ["--topic", "Load", "--connections", 64, "--rate", RATE]

# The newest segments are written, or are prepared to be.
KEPT_SEGMENTS = 4


def measure(bench: Bench, server: Server) -> None:
    bench.send(server, "steady", *STEADY)
    evict(server.folder / "data" / "log")
    with reader(bench, server):
        bench.send(server, "steady-cold", *STEADY)


def row(bench: Bench, table: Table, server: str) -> None:
    if not bench.has(server, "steady-cold"):
        return
    alone, beside = (bench.latency(server, name, "p99_us") for name in ("steady", "steady-cold"))
    table.add(
        "cold reader", f"p99 of {RATE:,}/s beside a reader of evicted segments / alone", beside / alone, "<=", 2, unit="x",
        basis=f"{beside:.0f} us / {alone:.0f} us, reader {bench.mib(server, 'cold-reader'):.0f} MiB/s",
    )


def evict(folder: Path) -> None:
    """Drops old segments from the page cache; what is dirty stays."""
    for path in sorted(folder.glob("*.log"))[:-KEPT_SEGMENTS]:
        file = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


@contextmanager
def reader(bench: Bench, server: Server):
    """Reads what the warm-up sent, from the oldest on, and ends before the sends beside it do: then the server stands still."""
    path = bench.out / "raw" / f"{server.name}.cold-reader.json"
    path.unlink(missing_ok=True)
    command = ["taskset", "-c", str(bench.load_cpu), str(bench.programs.kerolox), "bench", "recv"]
    command += ["--broker", server.address, "--cpu", str(bench.load_cpu), "--topic", "Warm", "--queues", "8"]
    command += ["--from", "first", "--connections", "1", "--duration", f"{bench.seconds}s", "--json", str(path)]
    server.resume()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        server.resume()
        _, error = process.communicate(timeout=bench.seconds + 30)
        server.pause()
    if not path.exists():
        raise SystemExit(f"{server.name} cold-reader failed: {error[-2000:]}")
    bench.reports[server.name, "cold-reader"].append(json.loads(path.read_text()))
