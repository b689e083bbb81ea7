"""``python -m tests.torture``: one run, one line of result; the exit code is 0 only if every line was counted once."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.torture.agents import AGENTS
from tests.torture.findings import findings
from tests.torture.harness import Torture
from tests.torture.rotation import EXACT, KINDS


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--agent", choices=AGENTS, default="mailwatch")
    for name, default in (("seed", 1), ("lines", 4000), ("kills", 15), ("rotations", 9), ("decoys", 3)):
        parser.add_argument(f"--{name}", type=int, default=default, help="[%(default)s]")
    parser.add_argument("--rate", type=float, default=2000, help="lines a second in a burst [%(default)s]")
    parser.add_argument(
        "--kinds", default=",".join(EXACT), help=f"comma list out of {', '.join(KINDS)} [all but races]"
    )
    parser.add_argument("--full-disks", type=int, default=0, help="times to fill the disk under the state; needs root")
    parser.add_argument("--crash-points", type=int, default=0, help="kills at a system call; needs strace")
    parser.add_argument("--settle", type=float, default=3, help="seconds the end must last [%(default)s]")
    parser.add_argument("--keep", action="store_true", help="keep the folder also when all is well")
    return parser.parse_args()


def main() -> int:
    """Run once; SIGTERM ends it as Ctrl-C does, with everything that it began."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = options()
    folder = Path(tempfile.mkdtemp(prefix="mailwatch-torture-"))
    torture = Torture(
        agent=AGENTS[given.agent],
        folder=folder,
        seed=given.seed,
        lines=given.lines,
        rate=given.rate,
        kills=given.kills,
        rotations=given.rotations,
        kinds=tuple(given.kinds.split(",")),
        decoys=given.decoys,
        full_disks=given.full_disks,
        crash_points=given.crash_points,
        settle=given.settle,
    )
    outcome = torture.run()
    print(f"{given.agent} {outcome}", flush=True)
    witness = torture.agent.witness
    if witness and not given.full_disks:  # such a disk is gone with what was on it
        print(*findings(folder / "state" / witness, folder / "log", given.lines), sep="\n")
    if outcome.exact and not given.keep:
        shutil.rmtree(folder)
    else:
        print(f"kept {folder}", file=sys.stderr)
    return 0 if outcome.exact else 1


if __name__ == "__main__":
    sys.exit(main())
