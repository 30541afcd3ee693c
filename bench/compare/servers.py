"""The servers that are compared, pinned to one core. Each is stopped (SIGSTOP) while another one is measured."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from .programs import Programs

START_MAX_S = 90


class Server:
    """A running server: `address` of its broker, `pid` whose CPU counts."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.folder = folder
        self.address = ""
        self.pid = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        raise NotImplementedError


class Child(Server):
    """A server that is our child process."""

    def start(self, command: list[str], cpu: int) -> None:
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(cpu), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.pid = self.process.pid

    def stop(self) -> None:
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class Floor(Child):
    def __init__(self, programs: Programs, folder: Path, cpu: int, mode: str):
        super().__init__(f"floor-{mode}", folder / f"floor-{mode}")
        self.start([str(programs.floor), "--mode", mode, "--dir", str(self.folder / "data"), "--ring-mib", "2048"], cpu)
        line = self.process.stdout.readline()
        self.address = line.rpartition(" ")[2].strip()
        if not self.address:
            raise SystemExit(f"{self.name} did not start, see {self.folder}/log")


class Kerolox(Child):
    def __init__(self, programs: Programs, folder: Path, cpu: int, flush: str):
        super().__init__(f"kerolox-{flush}", folder / f"kerolox-{flush}")
        namesrv, broker, http = free_ports()
        settings = {
            "listen.namesrv": f"127.0.0.1:{namesrv}",
            "listen.broker": f"127.0.0.1:{broker}",
            "listen.http": f"127.0.0.1:{http}",
            "node.advertise": "127.0.0.1",
            "storage.flush": flush,
            # Small enough that a run goes round in segments already written, as a server does after some days.
            "storage.max_bytes": "4GiB",
            "log.level": "warn",
        }
        command = [str(programs.kerolox), "serve", "--data", str(self.folder / "data")]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        begin = time.monotonic()
        self.start(command, cpu)
        self.process.stdout.close()
        wait_ready(http, self.process)
        self.start_seconds = time.monotonic() - begin
        self.address = f"127.0.0.1:{broker}"


class Peer(Server):
    """Apache RocketMQ with its defaults but for the flush rule and a larger heap."""

    def __init__(self, programs: Programs, folder: Path, cpu: int, flush: str):
        super().__init__(f"peer-{flush}", folder / f"peer-{flush}")
        self.script = programs.peer
        namesrv, broker, _ = free_ports()
        flush_type = {"async": "ASYNC_FLUSH", "group": "SYNC_FLUSH"}[flush]
        command = ["taskset", "-c", str(cpu), str(self.script), "up", str(self.folder)]
        command += ["--ns-port", str(namesrv), "--broker-port", str(broker), "--heap", "4g"]
        command += ["--set", f"flushDiskType={flush_type}"]
        with open(self.folder / "log", "w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log)
        self.pid = int((self.folder / "broker.pid").read_text())
        self.address = f"127.0.0.1:{broker}"

    def stop(self) -> None:
        self.resume()
        with open(self.folder / "log", "a") as log:
            subprocess.run([str(self.script), "down", str(self.folder)], check=False, stdout=log, stderr=log)
        shutil.rmtree(self.folder / "store", ignore_errors=True)


def free_ports() -> tuple[int, int, int]:
    """Three free ports, the second with room for the ports a broker derives from it: VIP (-2) and HA (+1)."""
    while True:
        sockets = [socket.socket() for _ in range(3)]
        try:
            for candidate in sockets:
                candidate.bind(("127.0.0.1", 0))
            ports = [candidate.getsockname()[1] for candidate in sockets]
        finally:
            for candidate in sockets:
                candidate.close()
        near = {ports[1] - 2, ports[1] + 1}
        if near & set(ports) or not all(is_free(port) for port in near):
            continue
        return ports[0], ports[1], ports[2]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return 1024 < port < 65_536 and probe.connect_ex(("127.0.0.1", port)) != 0


def wait_ready(port: int, process: subprocess.Popen) -> None:
    """Until /readyz says that sends and pulls are served."""
    deadline = time.monotonic() + START_MAX_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}, see its log")
        time.sleep(0.002)
    raise SystemExit(f"the server is not ready after {START_MAX_S} s, see its log")


def memory_kib(pid: int, field: str = "RssAnon") -> int:
    """A field of /proc/PID/status that is given in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise SystemExit(f"/proc/{pid}/status has no {field}")


def device(programs: Programs, folder: Path, cpu: int, count: int) -> dict:
    """Percentiles of one 4 KiB pwrite + fdatasync, on the same disk, in microseconds."""
    data = folder / "device"
    command = ["taskset", "-c", str(cpu), str(programs.floor), "--device", str(count), "--dir", str(data)]
    result = subprocess.run(command + ["--ring-mib", "256"], check=True, capture_output=True, text=True)
    shutil.rmtree(data, ignore_errors=True)
    return json.loads(result.stdout)
