"""One measurement: `kerolox bench` against one server, everything else standing still."""

import json
import statistics
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from .programs import Programs
from .servers import Server

QUEUES = 8

# No run takes as long: the longest warm-up and the drain at its end.
RUN_MAX_S = 300


@dataclass
class Bench:
    programs: Programs
    out: Path
    rounds: int
    seconds: int
    server_cpu: int
    load_cpu: int
    # (server, measurement) -> reports of all rounds
    reports: dict = field(default_factory=lambda: defaultdict(list))
    servers: list = field(default_factory=list)
    # (server, measurement, reason) of runs without a single success; they have no report
    failures: list = field(default_factory=list)

    def add(self, server: Server) -> Server:
        """Takes over a started server, paused until it is measured."""
        server.pause()
        self.servers.append(server)
        return server

    def stop_all(self) -> None:
        for server in self.servers:
            server.stop()
        self.servers.clear()

    def send(self, server: Server, name: str, *arguments, keep: bool = True) -> dict:
        return self.run(server, name, "send", ["--queues", str(QUEUES), *map(str, arguments)], keep)

    def recv(self, server: Server, name: str, *arguments) -> dict:
        return self.run(server, name, "recv", ["--from", "first", "--wrap", *map(str, arguments)], True)

    def run(self, server: Server, name: str, direction: str, arguments: list, keep: bool) -> dict:
        number = len(self.reports[server.name, name])
        path = self.out / "raw" / f"{server.name}.{name}.{number}.json"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        command = [str(self.programs.kerolox), "bench", direction, "--broker", server.address]
        command += ["--server-pid", str(server.pid), "--cpu", str(self.load_cpu), "--json", str(path)]
        if "--duration" not in arguments:
            command += ["--warmup", "1s", "--duration", f"{self.seconds}s"]
        server.resume()
        try:
            # A run with refused requests ends with an error but has its report; the table shows the refusals.
            done = subprocess.run(
                ["taskset", "-c", str(self.load_cpu), *command, *arguments],
                capture_output=True,
                text=True,
                timeout=RUN_MAX_S,
            )
        finally:
            server.pause()
        if not path.exists():
            raise SystemExit(f"{server.name} {name} failed: {done.stderr[-2000:]}")
        report = json.loads(path.read_text())
        if report["messages"] == 0:
            self.failures.append((server.name, name, ", ".join(report["errors"]) or "nothing was answered"))
            print(f"{server.name:14} {name:16} failed: {self.failures[-1][2]}", flush=True)
        elif keep:
            self.reports[server.name, name].append(report)
            latency = report["latency"] or {}
            cpu = (report["server"] or {}).get("cpu_us_per_message")
            print(
                f"{server.name:14} {name:16} {report['messages_per_second']:>12,.0f}/s"
                f"  p50 {latency.get('p50_us', 0):>8,.0f}  p99 {latency.get('p99_us', 0):>8,.0f}"
                f"  p99.9 {latency.get('p999_us', 0):>8,.0f} us  cpu {cpu or 0:>7.2f} us",
                flush=True,
            )
        return report

    def has(self, server: str, name: str) -> bool:
        return bool(self.reports.get((server, name)))

    def rate(self, server: str, name: str) -> float:
        return self.median(server, name, lambda report: report["messages_per_second"])

    def mib(self, server: str, name: str) -> float:
        return self.median(server, name, lambda report: report["mib_per_second"])

    def cpu(self, server: str, name: str) -> float:
        """Server CPU per message, microseconds."""
        return self.median(server, name, lambda report: report["server"]["cpu_us_per_message"])

    def latency(self, server: str, name: str, percentile: str) -> float:
        """Microseconds."""
        return self.median(server, name, lambda report: report["latency"][percentile])

    def errors(self, server: str, name: str) -> int:
        return sum(sum(report["errors"].values()) for report in self.reports[server, name])

    def median(self, server: str, name: str, value) -> float:
        return statistics.median(value(report) for report in self.reports[server, name])
