"""The rows: what was measured, what must hold, what we would love. Written as JSON and as a table."""

import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Row:
    name: str
    what: str
    value: float
    unit: str
    relation: str  # ">=" or "<=", or "" for a figure without a goal
    must: float | None
    moonshot: float | None
    basis: str  # the figures behind a ratio

    def holds(self) -> bool:
        return reaches(self.value, self.relation, self.must)

    def far(self) -> str:
        if self.moonshot is None:
            return ""
        return "reached" if reaches(self.value, self.relation, self.moonshot) else f"{self.moonshot:g} aimed at"


def reaches(value: float, relation: str, goal: float | None) -> bool:
    if goal is None or not relation:
        return True
    return value >= goal if relation == ">=" else value <= goal


class Table:
    def __init__(self, arguments):
        self.arguments = vars(arguments)
        self.rows: list[Row] = []

    def add(self, name, what, value, relation="", must=None, moonshot=None, unit="x", basis=""):
        self.rows.append(Row(name, what, value, unit, relation, must, moonshot, basis))

    def add_failures(self, failures) -> None:
        for server, measurement, reason in failures:
            self.add(f"{server} {measurement}", f"failed: {reason}", 0, ">=", 1, unit="messages")

    def passed(self) -> bool:
        return all(row.holds() for row in self.rows)

    def write(self, out: Path, seconds: float) -> None:
        text = self.markdown(seconds)
        (out / "results.md").write_text(text)
        result = {
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "arguments": self.arguments,
            "machine": {"kernel": platform.release(), "cpu": cpu_model(), "system": platform.platform()},
            "rows": [asdict(row) | {"holds": row.holds()} for row in self.rows],
        }
        (out / "results.json").write_text(json.dumps(result, indent=2) + "\n")
        print("\n" + text + f"\nresults in {out}")

    def markdown(self, seconds: float) -> str:
        lines = [
            f"{cpu_model()}, Linux {platform.release()}; {self.arguments['rounds']} rounds of "
            f"{self.arguments['seconds']} s, medians; {seconds:.0f} s in all",
            "",
            "| row | what | measured | must | holds | moonshot | from |",
            "|---|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            must = "" if row.must is None else f"{row.relation} {row.must:g}"
            verdict = "" if row.must is None else ("yes" if row.holds() else "**no**")
            lines.append(
                f"| {row.name} | {row.what} | {row.value:.3g} {row.unit} | {must} | {verdict} | {row.far()} | {row.basis} |"
            )
        return "\n".join(lines) + "\n"


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown cpu"
