"""``python -m benchmarks.attack``: all kinds of attack, or one, and their table."""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.attack.campaign import Campaign
from benchmarks.attack.table import as_json, as_markdown, held, write_between_marks

KINDS = {
    "kills": 0.44, "servers": 0.06, "disks": 0.07, "clients": 0.04, "pages": 0.03, "files": 0.08,
    "fuzz": 0.21, "twice": 0.03, "environments": 0.04,
}  # fmt: skip
"""Each kind, a module of the same name, and its share of the time."""


def main(arguments: list[str] | None = None) -> int:
    """Attack; 0 if everything held, 1 if not."""
    options = _options(arguments)
    seed = random.SystemRandom().randrange(10**9) if options.seed is None else options.seed
    out: Path = options.out.absolute()
    print(f"seed {seed}, {options.minutes:g} min on {options.workers} at a time; {out}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ghostlap-attack-", dir=options.scratch) as folder:
        campaign = Campaign(
            seed, Path(folder), out / "findings", only=options.only, attempt=options.attempt,
            workers=options.workers, say=lambda text: print(text, flush=True),
        )  # fmt: skip
        with campaign.at_the_end:
            _attack(campaign, options.minutes * 60)
        campaign.check_memory()
    table = as_markdown(campaign)
    out.mkdir(parents=True, exist_ok=True)
    (out / "attack.md").write_text(table, encoding="utf-8")
    values = json.dumps(as_json(campaign, options.minutes), indent=2)
    (out / "attack.json").write_text(values + "\n", encoding="utf-8")
    if options.write is not None:
        note = f"`make attack`, seed {seed}, {options.minutes:g} minutes:\n\n"
        write_between_marks(options.write, note + table)
    print(f"\n{table}\n{'held' if held(campaign) else 'did not hold'}: {out / 'attack.json'}")
    return 0 if held(campaign) else 1


def _attack(campaign: Campaign, seconds: float) -> None:
    kinds = {kind: share for kind, share in KINDS.items() if campaign.wants(kind)}
    if not kinds:
        sys.exit(f"--only must begin with {', '.join(KINDS)}. Got {campaign.only!r}.")
    for kind, share in kinds.items():
        allowed_s = seconds * share / sum(kinds.values())
        campaign.say(f"{kind}: {allowed_s:.0f} s")
        began_s = time.monotonic()
        importlib.import_module(f"benchmarks.attack.{kind}").attack(campaign, allowed_s)
        count = sum(row.count for row in campaign.rows.values() if row.name.startswith(kind))
        campaign.say(f"{kind}: {count:,} in {time.monotonic() - began_s:.0f} s")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="for all kinds together")
    parser.add_argument("--seed", type=int, help="of everything random; drawn and printed")
    parser.add_argument("--only", default="", help="a kind, or kind/part as the table names it")
    parser.add_argument("--attempt", type=int, help="the one attempt to make")
    parser.add_argument("--workers", type=int, default=2, help="attempts at the same time")
    parser.add_argument("--out", type=Path, default=Path("build/attack"), help="table, findings")
    parser.add_argument("--scratch", type=Path, help="where files are while it runs")
    parser.add_argument("--write", type=Path, help="a document with marks for the table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
