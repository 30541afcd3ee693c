"""Rows against the floor program: the goals P1 to P11 and the durable sends."""

import socket
import time

from . import cold
from .bench import Bench
from .servers import Floor, Kerolox, device, memory_kib
from .table import Table

UNBATCHED = ["--connections", 64]
PIPELINED = ["--connections", 16, "--in-flight", 64]
SINGLE = ["--connections", 1]

# One connection waits for each answer before it asks again; four keep the server's core busy.
PULLERS = ["--connections", 4]

# Per topic 24 MB of records: more than socket buffers, and both topics fit the 64 MiB of the tail that stay in memory, as
# the floor's file does.
PULL_MESSAGES = 20_000
DEVICE_SYNCS = 3_000

# More than the 4 GiB that are kept and the segments prepared beside them.
WARM_MESSAGES = 6_000_000
IDLE_CONNECTIONS = 500


def measure(bench: Bench, table: Table, only: str | None) -> None:
    idle(bench, table, only)
    start = lambda server, kind: bench.add(server(bench.programs, bench.out, bench.server_cpu, kind))
    net, sync = start(Floor, "net"), start(Floor, "sync")
    group, undurable = start(Kerolox, "group"), start(Kerolox, "async")
    try:
        # Goes round in the segments once, so that later runs write over blocks that exist.
        for server in (group, undurable):
            bound = ["--count", WARM_MESSAGES, "--warmup", "0s", "--duration", "60s"]
            bench.send(server, "warm", "--topic", "Warm", *PIPELINED, *bound, keep=False)
        plan = [
            ("64x1", [(server, "64x1", UNBATCHED) for server in (net, undurable, sync, group)]),
            ("16x64", [(server, "16x64", PIPELINED) for server in (net, undurable, sync, group)]),
            ("1x1", [(group, "1x1", SINGLE)]),
        ]
        syncs = []
        for number in range(bench.rounds):
            syncs.append(device(bench.programs, bench.out, bench.server_cpu, DEVICE_SYNCS))
            for name, runs in plan:
                if wanted(name, only):
                    for server, measurement, arguments in runs:
                        bench.send(server, measurement, "--topic", "Load", *arguments)
            if wanted("pull", only):
                # Topics of its own for every round: the sends before have pushed older messages out of the tail.
                topics = [(f"Pull{queues}R{number}", queues) for queues in (1, 8)]
                fill(bench, group, topics)
                for server in (net, group):
                    for topic, queues in topics:
                        bench.recv(server, f"pull-{queues}", "--topic", topic, "--queues", queues, *PULLERS)
            if wanted("half-load", only) and bench.has("kerolox-async", "64x1"):
                half = bench.rate("kerolox-async", "64x1") / 2
                for server in (net, undurable):
                    bench.send(server, "half-load", "--topic", "Load", *UNBATCHED, "--rate", f"{half:.0f}")
            if wanted("cold", only):
                cold.measure(bench, group)
        rows(bench, table, syncs)
        table.add_failures(bench.failures)
    finally:
        bench.stop_all()


def wanted(name: str, only: str | None) -> bool:
    return only is None or only in name


def fill(bench: Bench, server, topics: list[tuple[str, int]]) -> None:
    """Messages to pull: one queue whose records lie back to back, or several that are interleaved."""
    for topic, queues in topics:
        arguments = ["--topic", topic, *PIPELINED, "--count", PULL_MESSAGES, "--duration", "60s", "--warmup", "0s"]
        bench.run(server, "fill", "send", ["--queues", str(queues), *map(str, arguments)], False)


def idle(bench: Bench, table: Table, only: str | None) -> None:
    """P11: memory of an empty server, and what an idle connection adds."""
    if not wanted("idle", only):
        return
    server = Kerolox(bench.programs, bench.out, bench.server_cpu, "group")
    try:
        time.sleep(2)
        before = memory_kib(server.pid)
        host, port = server.address.split(":")
        sockets = [socket.create_connection((host, int(port))) for _ in range(IDLE_CONNECTIONS)]
        time.sleep(2)
        after = memory_kib(server.pid)
        for one in sockets:
            one.close()
        table.add("P11", "idle anonymous memory", before / 1024, "<=", 30, 16, "MiB")
        table.add(
            "P11", "memory per idle connection", (after - before) / IDLE_CONNECTIONS, "<=", 8, 4, "KiB",
            f"{IDLE_CONNECTIONS} connections",
        )
        table.add("start", "until an empty server is ready", server.start_seconds * 1e3, "<=", 200, 50, "ms")
    finally:
        server.stop()


def rows(bench: Bench, table: Table, syncs: list[dict]) -> None:
    median = lambda key: sorted(sync[key] for sync in syncs)[len(syncs) // 2]
    table.add("device", "pwrite 4 KiB + fdatasync, p50", median("p50_us"), unit="us", basis=f"p99 {median('p99_us'):.0f}")

    def ratio(name, what, value, above, below, relation, must, moonshot=None):
        """`above` and `below` are (server, measurement); left out if one was not measured."""
        if bench.has(*above) and bench.has(*below):
            top, bottom = value(*above), value(*below)
            basis = f"{above[0]} {figure(top)} / {below[0]} {figure(bottom)}"
            table.add(name, what, top / bottom, relation, must, moonshot, "x", basis)

    group, undurable, net, sync = "kerolox-group", "kerolox-async", "floor-net", "floor-sync"
    ratio("durable 64x1", "rate", bench.rate, (group, "64x1"), (sync, "64x1"), ">=", 0.8)
    ratio("durable 64x1", "server CPU per message", bench.cpu, (group, "64x1"), (sync, "64x1"), "<=", 2.0, 1.4)
    if bench.has(group, "64x1"):
        limit = 3 * median("p99_us") + 2000
        table.add(
            "durable 64x1", "p99 / (3 x device p99 + 2 ms)", bench.latency(group, "64x1", "p99_us") / limit, "<=", 1,
            basis=f"{bench.latency(group, '64x1', 'p99_us'):.0f} us / {limit:.0f} us",
        )
    ratio("durable 16x64", "rate", bench.rate, (group, "16x64"), (sync, "16x64"), ">=", 0.5)
    ratio("durable 16x64", "server CPU per message", bench.cpu, (group, "16x64"), (sync, "16x64"), "<=", 6, 3)
    ratio("P1", "64x1, floor's CPU / ours, written before the answer", bench.cpu, (net, "64x1"), (undurable, "64x1"), ">=", 0.7, 0.9)
    ratio("P2", "16x64, rate, async", bench.rate, (undurable, "16x64"), (net, "16x64"), ">=", 0.3, 0.5)
    ratio("P3", "16x64, server CPU per message, async", bench.cpu, (undurable, "16x64"), (net, "16x64"), "<=", 4, 2.4)
    ratio("P5", "1024 in flight, durable rate / async rate", bench.rate, (group, "16x64"), (undurable, "16x64"), ">=", 0.55, 0.8)
    ratio("P6", "64 in flight, durable rate / async rate", bench.rate, (group, "64x1"), (undurable, "64x1"), ">=", 0.45, 0.65)
    if bench.has(group, "1x1"):
        p50 = bench.latency(group, "1x1", "p50_us")
        table.add(
            "P7", "one durable sender, p50 / device p50", p50 / median("p50_us"), "<=", 2, 1.4,
            basis=f"{p50:.0f} us / {median('p50_us'):.0f} us",
        )
    p999 = lambda server, name: bench.latency(server, name, "p999_us")
    ratio("P8", "half load, p99.9, async", p999, (undurable, "half-load"), (net, "half-load"), "<=", 2, 1.3)
    ratio("P10", "pull 32 x 1 KiB from the tail, one queue", bench.mib, (group, "pull-1"), (net, "pull-1"), ">=", 0.6, 0.95)
    ratio("P10", "pull 32 x 1 KiB from the tail, eight interleaved", bench.mib, (group, "pull-8"), (net, "pull-8"), ">=", 0.5, 0.7)
    cold.row(bench, table, group)


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
