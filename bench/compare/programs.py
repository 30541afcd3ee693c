"""Where the programs are, and how they are built."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Programs:
    kerolox: Path
    floor: Path
    peer: Path  # the script that starts the reference server; may be absent


def build(no_build: bool) -> Programs:
    """Builds the release binaries unless told otherwise."""
    if not no_build:
        subprocess.run(["cargo", "build", "--release", "-p", "server", "-p", "floor"], cwd=ROOT, check=True)
    release = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"
    peer = os.environ.get("KEROLOX_PEER") or ROOT.parent / "shared" / "peer" / "apache-rocketmq"
    programs = Programs(
        kerolox=Path(os.environ.get("KEROLOX_BIN") or release / "kerolox"),
        floor=release / "floor",
        peer=Path(peer),
    )
    for path in (programs.kerolox, programs.floor):
        if not path.exists():
            raise SystemExit(f"{path} is not there: run without --no-build")
    return programs
