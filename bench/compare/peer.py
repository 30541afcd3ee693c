"""Rows against Apache RocketMQ: ours durable, theirs not; and both durable."""

from .bench import Bench
from .floor import DEVICE_SYNCS, PIPELINED, UNBATCHED, figure, wanted
from .servers import Kerolox, Peer, device
from .table import Table

OPEN_LOOP_RATE = 5_000
# 48 MB of records: what both servers have in memory.
PULL_MESSAGES = 40_000


def measure(bench: Bench, table: Table, only: str | None, warmup_s: int) -> None:
    start = lambda server, kind: bench.add(server(bench.programs, bench.out, bench.server_cpu, kind))
    if not bench.programs.peer.exists():
        raise SystemExit(f"{bench.programs.peer} is not there: set KEROLOX_PEER to the script that starts the peer")
    servers = [start(Kerolox, "group"), start(Peer, "async"), start(Peer, "group")]
    try:
        for server in servers:
            prepare(bench, server, warmup_s)
        syncs = []
        for number in range(bench.rounds):
            syncs.append(device(bench.programs, bench.out, bench.server_cpu, DEVICE_SYNCS))
            for server in servers:
                if wanted("16x64", only):
                    bench.send(server, "16x64", "--topic", "Load", *PIPELINED)
                if wanted("64x1", only):
                    bench.send(server, "64x1", "--topic", "Load", *UNBATCHED)
                if wanted("pull", only):
                    topic = f"PullR{number}"
                    fill(bench, server, topic)
                    bench.recv(server, "pull", "--topic", topic, "--queues", 8, "--connections", 4)
                if wanted("open-loop", only):
                    bench.send(server, "open-loop", "--topic", "Load", *UNBATCHED, "--rate", OPEN_LOOP_RATE)
        rows(bench, table, syncs)
        table.add_failures(bench.failures)
    finally:
        bench.stop_all()


def prepare(bench: Bench, server, warmup_s: int) -> None:
    """Load of the kinds that are measured until a JIT has compiled them."""
    kinds = ([*PIPELINED], [*UNBATCHED], [*UNBATCHED, "--rate", OPEN_LOOP_RATE])
    for kind in kinds:
        share = f"{max(1, warmup_s // len(kinds))}s"
        bench.send(server, "warm", "--topic", "Load", "--create", *kind, "--warmup", "0s", "--duration", share, keep=False)


def fill(bench: Bench, server, topic: str) -> None:
    """Messages to pull, in a topic of the round that pulls them: the sends have pushed older ones out of our tail."""
    arguments = ["--topic", topic, "--create", "--connections", 4, "--in-flight", 8, "--count", PULL_MESSAGES]
    bench.send(server, "fill", *arguments, "--warmup", "0s", "--duration", "120s", keep=False)


def rows(bench: Bench, table: Table, syncs: list[dict]) -> None:
    ours = "kerolox-group"
    goals = {"16x64": ("pipelined", 12), "64x1": ("unbatched", 3), "pull": ("pulled, 32 a pull", 8)}
    per_cpu_second = lambda server, name: 1e6 / bench.cpu(server, name)
    for theirs, rule, goal in (("peer-async", "ours durable, theirs not", True), ("peer-group", "both durable", False)):
        for name, (what, must) in goals.items():
            if not (bench.has(ours, name) and bench.has(theirs, name)):
                continue
            top, bottom = per_cpu_second(ours, name), per_cpu_second(theirs, name)
            refused = bench.errors(theirs, name)
            basis = f"{figure(top)} / {figure(bottom)} per CPU-second; rate {figure(bench.rate(ours, name))} / "
            basis += figure(bench.rate(theirs, name)) + (f"; they refused {refused}" if refused else "")
            table.add(f"peer {name}", f"{what}, messages per CPU-second, {rule}", top / bottom, ">=", must if goal else None, basis=basis)
        if bench.has(ours, "open-loop") and bench.has(theirs, "open-loop"):
            open_loop(bench, table, syncs, ours, theirs, rule, goal)


def open_loop(bench: Bench, table: Table, syncs: list[dict], ours: str, theirs: str, rule: str, goal: bool) -> None:
    mine, other = (bench.latency(server, "open-loop", "p999_us") for server in (ours, theirs))
    device_p999 = sorted(sync["p999_us"] for sync in syncs)[len(syncs) // 2]
    limit = max(other / 5, 1.5 * device_p999)
    basis = f"ours {mine:,.0f} us, theirs {other:,.0f} us, device {device_p999:,.0f} us"
    what = f"{OPEN_LOOP_RATE:,}/s open loop, p99.9 / max(theirs / 5, 1.5 x device p99.9), {rule}"
    table.add("peer open-loop", what, mine / limit, "<=", 1 if goal else None, basis=basis)
