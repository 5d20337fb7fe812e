"""Draw the documentation's pictures: a small pilot is trained, driven, and shown in a browser.

python tools/pictures.py docs/pictures

What was recorded and trained stays in ``build/pictures``, and is not made again.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.browser import open_browser  # noqa: E402

WORK = ROOT / "build" / "pictures"
STEPS = {
    "my-drive": "record --track lake --laps 1 --recovery 0.2 --out my-drive",
    "explore": "explore my-drive --out explore",
    "runs/a": "train my-drive --out runs/a --epochs 12",
    "runs/a/evaluate": "evaluate runs/a --track lake --speed-limit 20 --seeds 1",
    "runs/a/explain": "explain runs/a my-drive --no-video",
    "runs/a/report.html": "report runs/a",
}
"""What each command makes, as ``docs/first-lap.md`` has them."""
QUALITY = 80
DESK, PHONE = (1280, 800), (390, 844)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)
    for made, command in STEPS.items():
        if not (WORK / made).exists():
            words = [sys.executable, "-m", "ghostlap", *command.split()]
            subprocess.run(words, cwd=WORK, check=True)
    with open_browser() as browser:

        def shoot(
            address: str, name: str, size: tuple[int, int], keys: str = "", wait_ms: int = 1000
        ) -> None:
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(address)
            page.wait_for_timeout(3000)
            for key in keys.split():
                page.keyboard.press(key)
            page.wait_for_timeout(wait_ms)
            page.screenshot(path=out / name, type="jpeg", quality=QUALITY)
            page.close()

        shoot((WORK / "runs" / "a" / "report.html").as_uri(), "report.jpg", DESK)
        with cockpit() as address:
            shoot(address, "cockpit.jpg", DESK, "o", 15_000)
        with cockpit() as address:
            shoot(address, "phone.jpg", PHONE, wait_ms=10_000)
    small(WORK / "explore" / "balance.png", out / "balance.jpg")
    small(WORK / "runs" / "a" / "evaluate" / "lake-20mph" / "map-lake.png", out / "map.jpg")
    small(WORK / "runs" / "a" / "explain" / "saliency.png", out / "saliency.jpg")


@contextmanager
def cockpit() -> Iterator[str]:
    """The address of a cockpit."""
    command = [sys.executable, "-m", "ghostlap", "sim", "--page-port", "0"]
    process = subprocess.Popen(
        command, cwd=WORK, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                yield found[0]
                return
        raise SystemExit("The cockpit did not start.")
    finally:
        process.terminate()
        process.wait(20)


def small(picture: Path, out: Path, width_px: int = 1000) -> None:
    """A picture no wider than that, as JPEG."""
    image = cv2.imread(str(picture))
    assert image is not None, picture
    height_px = round(image.shape[0] * min(1.0, width_px / image.shape[1]))
    size = (min(width_px, image.shape[1]), height_px)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(out), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
