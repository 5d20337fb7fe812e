#!/usr/bin/env python3.11
"""Ghostlap on Windows' own Python, under Wine: a kit made from packages, and what it is tried with.

    make windows                                      the kit, once, and then the smoke
    build/windows/wpy -m ghostlap doctor 'Z:\\home\\me\\rec'      /home/me/rec
    build/windows/wpy -m pytest -p no:cacheprovider tests/base

The interpreter's library and its modules come out of a wheel of panda3d, which ships them,
Microsoft's C runtime out of msvc-runtime, the standard library from the Python 3.11 that runs this.
What Wine's own runtime lacks is in windows.c. Files, locks, sockets, processes and encodings are as
on Windows; speed, consoles, fonts and graphics cards are not, and Wine makes no links.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
KIT = ROOT / "build" / "windows"
PYTHON, PACKAGES = KIT / "py", KIT / "py" / "Lib" / "site-packages"
SOURCE = ROOT / "tools" / "windows.c"
COMPILER = "x86_64-w64-mingw32-gcc"
TOOLS = {
    "wine": ["wine", "wine64"],
    COMPILER: ["gcc-mingw-w64-x86-64-win32"],
}
"""Programs, and the Debian packages that bring them."""
FOR_WINDOWS = [
    "--platform", "win_amd64", "--python-version", "3.11", "--implementation", "cp",
    "--only-binary", ":all:",
]  # fmt: skip
OTHERS = [
    "pytest", "pytest-timeout", "hypothesis", "ipykernel", "nbclient", "tzdata", "colorama", "pip",
]  # fmt: skip
LACKING = {"math": "MATH", "runtime": "FENV"}
"""Wine's libraries of C that lack something, and what windows.c has for them."""
NO_CARDS = b"Failed to create DXGI factory.\n"
"""What ONNX Runtime writes to standard error where Wine has no screen and so no graphics cards."""
DESKTOP = "import ctypes, time; ctypes.windll.user32.GetDesktopWindow(); time.sleep(1e6)"
TESTS = [
    "base",
    "data/recordings",
    "data/test_frame_cache.py",
    "data/vision",
    "driving/server",
    "sim",
]
STEP_S = 3600


class Unavailable(Exception):
    """Something that is fetched cannot be had here."""


def main() -> None:
    if sys.version_info[:2] != (3, 11):
        sys.exit("make windows: needs Python 3.11, of which there is a library for Windows.")
    began_s = time.monotonic()
    try:
        make_kit()
    except Unavailable as why:
        print(f"SKIPPED: make windows: {why}", file=sys.stderr)
        return
    print(f"the kit: {time.monotonic() - began_s:.0f} s", flush=True)
    smoke()


# The kit


def make_kit() -> None:
    """Make what is not there yet; a change of the packages asked for makes all of it anew."""
    wanted, made = asked_for(), KIT / "made-for"
    if made.exists() and made.read_text(encoding="utf-8") == "\n".join(wanted):
        return
    shutil.rmtree(KIT, ignore_errors=True)
    PACKAGES.mkdir(parents=True)
    install_tools()
    interpreter()
    fetch("install", "--target", PACKAGES, "-c", ROOT / "constraints.txt", *wanted)
    name_the_version()
    for library, part in LACKING.items():
        complete(library, part)
    for path in (PACKAGES / "onnxruntime").rglob("onnxruntime*.*"):
        if NO_CARDS in (content := path.read_bytes()):
            path.write_bytes(content.replace(NO_CARDS, bytes(len(NO_CARDS))))
    library("bcryptprimitives.dll", "RANDOM", {"ProcessPrng": "ProcessPrng"})
    write_launcher()
    run(["wineboot", "-i"], env=wine_environment())
    run([KIT / "wpy", "-c", "import numpy, cv2, onnxruntime, tensorflow, pydantic"])
    made.write_text("\n".join(wanted), encoding="utf-8")


def asked_for() -> list[str]:
    """The packages of all extras but those for development and for the documentation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    groups = [extras[name] for name in extras if name not in ("all", "dev", "docs")]
    asked = map(Requirement, itertools.chain(project["dependencies"], *groups))
    # pip would read the markers as of the system that it runs on.
    there = {"sys_platform": "win32", "platform_machine": "AMD64"}
    names = {
        f"{one.name}{one.specifier}"
        for one in asked
        if one.marker is None or one.marker.evaluate(there)
    }
    return sorted({*OTHERS, *names})


def install_tools() -> None:
    missing = [name for tool, names in TOOLS.items() if not shutil.which(tool) for name in names]
    if not missing:
        return
    try:
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing])
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"there is no {' '.join(missing)}, and it cannot be installed") from error


def fetch(*arguments: object) -> None:
    """What pip does, for Windows."""
    verb, *rest = map(str, arguments)
    try:
        run([sys.executable, "-m", "pip", verb, "-q", *FOR_WINDOWS, *rest])
    except subprocess.CalledProcessError as error:
        raise Unavailable("pip cannot fetch the packages for Windows") from error


def name_the_version() -> None:
    """What pip would write of Ghostlap, whose source is used as it lies."""
    for path in metadata.files("ghostlap") or ():
        if path.name == "METADATA":
            (PACKAGES / path).parent.mkdir()
            shutil.copy(path.locate(), PACKAGES / path)


def interpreter() -> None:
    """Python's library, its modules, the C runtime and a program that starts it."""
    fetch("download", "--no-deps", "-d", KIT, "panda3d==1.10.15", "msvc-runtime")
    (PYTHON / "DLLs").mkdir()
    for path in sorted(KIT.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                file = name.rpartition("/")[2]
                if "panda3d" in path.name and "deploy_libs/" in name and file:
                    of_module = file.endswith(".pyd") or re.match(r"lib|sqlite3", file)
                elif "msvc" in path.name and file.endswith(".dll") and file != "vcruntime140.dll":
                    of_module = False
                else:
                    continue
                (PYTHON / "DLLs" / file if of_module else PYTHON / file).write_bytes(
                    wheel.read(name)
                )
    for path in Path(sysconfig.get_path("stdlib")).iterdir():
        if path.name in ("test", "site-packages", "lib-dynload") or path.name.startswith("config-"):
            continue
        if path.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, PYTHON / "Lib" / path.name, ignore=ignore)
        else:
            shutil.copy(path, PYTHON / "Lib")
    # Python 3.11.9, whose import system is compiled in, calls this of the class; 3.11.7's library,
    # say, has it as a method.
    source = PYTHON / "Lib" / "importlib" / "metadata" / "__init__.py"
    text, method = source.read_text(encoding="utf-8"), "    def invalidate_caches(cls)"
    text = text.replace(f"    @classmethod\n{method}", method)
    source.write_text(text.replace(method, f"    @classmethod\n{method}"), encoding="utf-8")
    build(PYTHON / "python.exe", "PYTHON", "-municode")
    library(
        "python3.dll", "EMPTY", {name: f"python311.{name}" for name in exports("python311.dll")}
    )


def complete(library_name: str, part: str) -> None:
    """Put a library in front of one of Wine's that passes on all but what that lacks.

    It has a name of its own, which is written into whatever asks for Wine's.
    """
    theirs = f"api-ms-win-crt-{library_name}-l1-1-0.dll"
    own = set(re.findall(r"\bown_(\w+)", preprocessed(part)))
    names = {name: f"ucrtbase.{name}" for name in exports(theirs)}
    library(f"x{theirs[1:]}", part, names | {name: f"own_{name}" for name in own})
    for path in [*PACKAGES.rglob("*.pyd"), *PACKAGES.rglob("*.dll")]:
        content = path.read_bytes()
        if theirs.encode() in content:
            path.write_bytes(content.replace(theirs.encode(), f"x{theirs[1:]}".encode()))


def preprocessed(part: str) -> str:
    return run([COMPILER, "-E", f"-D{part}", SOURCE], capture_output=True, text=True).stdout


def exports(name: str) -> list[str]:
    """The names that a library exports."""
    told = run(["x86_64-w64-mingw32-objdump", "-p", PYTHON / name], capture_output=True, text=True)
    table = told.stdout.partition("[Ordinal/Name Pointer] Table")[2]
    return re.findall(r"^\s+\[\s*\d+\].*?(\S+)$", table, re.MULTILINE)


def library(name: str, part: str, exported: dict[str, str]) -> None:
    definition = KIT / f"{name}.def"
    lines = [f'LIBRARY "{name}"', "EXPORTS", *(f"{a} = {b}" for a, b in sorted(exported.items()))]
    definition.write_text("\n".join(lines) + "\n", encoding="utf-8")
    build(PYTHON / name, part, "-shared", "-static", definition)


def build(target: Path, part: str, *options: object) -> None:
    run([COMPILER, "-O2", "-w", f"-D{part}", "-o", target, SOURCE, *options])


def write_launcher() -> None:
    """Standard output goes through a pipe: with a plain file for it, nothing starts under Wine."""
    settings = " ".join(f"{name}='{value}'" for name, value in WINE.items())
    launcher = KIT / "wpy"
    launcher.write_text(
        "#!/bin/bash\nset -o pipefail\n"
        'here="$(cd "$(dirname "$0")" && pwd)"\n'
        'source="${GHOSTLAP_SOURCE:-$here/../../src}"\n'
        f'env {settings} WINEPREFIX="$here/prefix" PYTHONPATH="Z:${{source//\\//\\\\}}" '
        'wine "$here/py/python.exe" "$@" 2> >(cat >&2) | cat\n',
        encoding="utf-8",
    )
    launcher.chmod(0o755)


WINE = {
    "WINEDEBUG": "-all",
    "WINEARCH": "win64",
    "PYTHONIOENCODING": "utf-8",
    # oneDNN does not ask Linux for Intel's matrix units, and is ended where it uses them.
    "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16",
}


def wine_environment() -> dict[str, str]:
    return {**os.environ, **WINE, "WINEPREFIX": str(KIT / "prefix")}


def run(command: list[object], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload, no-any-return]


# The smoke


@contextlib.contextmanager
def desktop() -> Iterator[None]:
    """Have Wine's desktop run already.

    The first program that needs it starts it otherwise, and it keeps that program's pipes open:
    whoever reads from the program waits for ever.
    """
    nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command_of(("-c", DESKTOP)), **nowhere) as process:  # type: ignore[call-overload]
        try:
            yield
        finally:
            run(["wineserver", "-k"], env=wine_environment())
            process.kill()


@desktop()
def smoke() -> None:
    """Commands and tests, of a clean clone of what is committed."""
    clone, out = KIT / "clone", KIT / "out"
    for folder in (clone, out):
        shutil.rmtree(folder, ignore_errors=True)
    out.mkdir()
    run(["git", "clone", "-q", ROOT, clone])
    pilot, port = out / "demo" / "run", free_port()
    on_windows(clone, "demo", "--quick", "--out", out / "demo")
    with stopped_afterwards(clone, "drive", pilot, "--record", out / "drive", "--port", port):
        on_windows(clone, "sim", "--autonomous", "--seconds", 5, "--port", port, "--wait-s", 120)
    on_windows(clone, "doctor", out / "drive")
    on_windows(clone, "convert", out / "drive", "--as", "lerobot", "--out", out / "lerobot")
    on_windows(clone, "convert", out / "lerobot", "--as", "udacity", "--out", out / "back")
    on_windows(clone, "doctor", out / "back", "--fix", out / "clean")
    on_windows(clone, "runs", out)
    lap = out / "demo" / "recording"
    on_windows(clone, "edit", lap, "--keep", "steering != 0", "--out", out / "edited")
    on_windows(clone, "train", lap, "--out", out / "train", "--epochs", 1, "--steps-per-epoch", 3)
    on_windows(clone, "search", lap, "--out", out / "search", "--trials", 1,
               "--space", "steps_per_epoch=2..3", "--set", "epochs=1")  # fmt: skip
    on_windows(clone, "import", out / "train" / "model.h5", "--out", out / "imported",
               "--crop", "60:135", "--colour", "yuv", "--blur", 3, "--scale", "x/255")  # fmt: skip
    on_windows(clone, "explain", pilot, lap, "--frames", 8, "--video-s", 1)
    on_windows(clone, "export", pilot, "--out", out / "a.onnx")
    on_windows(clone, "dagger", pilot, "--out", out / "dagger", "--iterations", 1, "--seeds", 1,
               "--metres", 60, "--no-control", "--epochs", 1)  # fmt: skip
    with stopped_afterwards(clone, "sim", "--page-port", port):
        page = fetched(f"http://127.0.0.1:{port}/")
        if b"<title>Ghostlap" not in page:
            sys.exit(f"the cockpit's page is {page[:200]!r}")
    windows_python(clone, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", 1800,
                   *(clone / "tests" / name for name in TESTS))  # fmt: skip
    print("make windows: all went well")


def on_windows(clone: Path, *arguments: object) -> None:
    windows_python(clone, "-m", "ghostlap", *arguments)


def windows_python(clone: Path, *arguments: object) -> None:
    """Run a command; what fails ends it all, with what it said above."""
    print("$", *map(as_windows, arguments), flush=True)
    began_s = time.monotonic()
    subprocess.run(command_of(arguments), env=of(clone), cwd=clone, check=True, timeout=STEP_S,
                   stdin=subprocess.DEVNULL)  # fmt: skip
    print(f"  {time.monotonic() - began_s:.0f} s", flush=True)


@contextlib.contextmanager
def stopped_afterwards(clone: Path, *arguments: object) -> Iterator[None]:
    """A command that is asked to stop by the end of its input; it must end well."""
    environment = {**of(clone), "GHOSTLAP_STOPS_WITH_ITS_INPUT": "1"}
    command = command_of(("-m", "ghostlap", *arguments))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=clone)
    try:
        yield
        process.communicate(timeout=60)
        if process.returncode:
            sys.exit(f"{arguments[0]}: exit status {process.returncode}")
    finally:
        process.kill()


def fetched(address: str) -> bytes:
    """What is served there, once something is."""
    for _ in range(STEP_S):
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return bytes(urllib.request.urlopen(address, timeout=60).read())
        time.sleep(1)
    sys.exit(f"nothing answers at {address}")


def of(clone: Path) -> dict[str, str]:
    return {**os.environ, "GHOSTLAP_SOURCE": str(clone / "src")}


def command_of(arguments: tuple[object, ...]) -> list[str]:
    return [str(KIT / "wpy"), *map(as_windows, arguments)]


def as_windows(argument: object) -> str:
    return "Z:" + str(argument).replace("/", "\\") if isinstance(argument, Path) else str(argument)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


if __name__ == "__main__":
    main()
