"""From the lock to static/vendor: what is made, what an unknown icon says, and when npm fails."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from portal import assets
from portal.demo.bootstrap import SetupFailed

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "static" / "vendor"
EXACT = re.compile(r"\d+\.\d+\.\d+")


@pytest.fixture(scope="session")
def packages() -> Path:
    """What the lock lists, installed already unless somebody took it away."""
    return assets.install()


@pytest.fixture
def checkout(tmp_path: Path, packages: Path) -> Path:
    """A checkout with one page, one module and the installed packages."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages)
    for name in ("static", "templates/parts", "portal"):
        (tmp_path / name).mkdir(parents=True)
    page = '<p>\n{% icon "Bell" %}{% icon name %}\n  {%  icon \'Star\' word %}{% iconic "No" %}'
    (tmp_path / "templates" / "parts" / "page.html").write_text(page)
    code = 'a = icon(\n    "BankNote")\nb = Entry(icon="House", x=1)\nc = beacon("No")\nd = icon(name)\n'
    (tmp_path / "portal" / "menu.py").write_text(code)
    return tmp_path


def made(root: Path) -> set[str]:
    vendor = root / "static" / "vendor"
    return {str(path.relative_to(vendor)) for path in vendor.rglob("*") if path.is_file()}


def symbols(svg: str) -> dict[str, etree._Element]:
    return {str(symbol.get("id")): symbol for symbol in etree.fromstring(svg.encode())}


def test_the_lock_names_no_place_and_pins_everything() -> None:
    text = (ROOT / "package-lock.json").read_text()
    assert "://" not in text
    assert "resolved" not in text
    lock, asked = json.loads(text), json.loads((ROOT / "package.json").read_text())
    installed = {name: entry for name, entry in lock["packages"].items() if name}
    assert lock["lockfileVersion"] == 3
    assert all(entry["integrity"].startswith("sha512-") for entry in installed.values())
    assert not any(entry.get("hasInstallScript") for entry in installed.values())
    for name, version in asked["dependencies"].items():
        assert EXACT.fullmatch(version)
        assert installed[f"node_modules/{name}"]["version"] == version


def test_no_registry_is_named_for_those_who_call_npm_by_hand() -> None:
    words = dict(line.split("=") for line in (ROOT / ".npmrc").read_text().split())
    assert words["ignore-scripts"] == words["omit-lockfile-registry-resolved"] == "true"
    assert "registry" not in words


def test_every_icon_that_is_used_is_in_the_sprite_and_no_other() -> None:
    assert set(symbols((VENDOR / "icons.svg").read_text())) == set(assets.icons_used())


def test_icons_are_found_where_their_names_stand_in_quotes(checkout: Path) -> None:
    assert assets.icons_used(root=checkout) == {
        "Bell": "templates/parts/page.html:2",
        "Star": "templates/parts/page.html:3",
        "BankNote": "portal/menu.py:2",
        "House": "portal/menu.py:3",
    }


def test_every_drawing_can_be_a_symbol_and_none_brings_a_name_of_its_own(packages: Path) -> None:
    drawings = packages / assets.DRAWINGS
    names = {path.stem for path in drawings.glob("*.svg")}
    svg = assets.sprite(dict.fromkeys(names, "here:1"), drawings=drawings)
    assert len(names) > 900
    assert re.findall(r'\bid="([^"]*)"', svg) == sorted(names)
    for symbol in symbols(svg).values():
        assert symbol.get("viewBox") == "0 0 24 24"
        tags = {
            (etree.QName(part).localname, part.get("fill"))
            for part in symbol.iter()
            if part is not symbol
        }
        assert tags == {("path", "currentColor")}


def test_an_unknown_icon_is_told_with_its_place_and_names_near_it(checkout: Path) -> None:
    (checkout / "templates" / "list.html").write_text('\n\n{% icon "Bel" %}')
    with pytest.raises(SetupFailed) as told:
        assets.build(root=checkout)
    assert "templates/list.html:3: there is no icon “Bel” (near it: Bell" in str(told.value)
    assert made(checkout) == set()
    assert [entry.name for entry in (checkout / "static").iterdir()] == []


def test_what_is_built_is_whole_and_a_second_build_does_nothing(checkout: Path) -> None:
    assert assets.build(root=checkout)
    fonts = {f"fonts/inter-{subset}-wght-normal.woff2" for subset in ("latin", "latin-ext")}
    fonts |= {f"fonts/Inter_{weight}.ttf" for weight in ("400Regular", "600SemiBold")}
    files = {"designsystemet.css", "designsystemet.js", "icons.svg", "inter.css", "LICENSES.txt"}
    assert made(checkout) == fonts | files | {".stamp"}
    before = (checkout / "static" / "vendor").stat()
    assert not assets.build(root=checkout)
    assert (checkout / "static" / "vendor").stat() == before


def test_another_icon_makes_it_anew_and_a_moved_one_does_not(checkout: Path) -> None:
    assets.build(root=checkout)
    page = checkout / "templates" / "parts" / "page.html"
    page.write_text("\n\n" + page.read_text())
    assert not assets.build(root=checkout)
    page.write_text('{% icon "Calendar" %}')
    assert assets.build(root=checkout)
    svg = (checkout / "static" / "vendor" / "icons.svg").read_text()
    assert set(symbols(svg)) == {"Calendar", "BankNote", "House"}


def test_what_a_killed_build_left_is_cleared_and_never_served(checkout: Path) -> None:
    left = checkout / "static" / ".vendor-killed" / "vendor"
    left.mkdir(parents=True)
    (left / "icons.svg").write_text("<sv")
    assert assets.build(root=checkout)
    assert [entry.name for entry in (checkout / "static").iterdir()] == ["vendor"]


def test_the_pages_files_load_nothing_from_elsewhere() -> None:
    for name in ("designsystemet.css", "inter.css"):
        text = (VENDOR / name).read_text()
        assert "@import" not in text
        wanted = re.findall(r"""url\(\s*["']?([^"')]{1,40})""", text)
        assert wanted
        assert all(url.startswith("data:") or (VENDOR / url).is_file() for url in wanted)
    script = (VENDOR / "designsystemet.js").read_text()
    needs = r"^\s*(import|export)\b|\bimport\(|\brequire\(|\beval\(|sourceMappingURL"
    assert not re.search(needs, script, re.MULTILINE)


def test_the_licence_of_every_package_is_served_with_it() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    text = (VENDOR / "LICENSES.txt").read_text()
    for place, entry in lock["packages"].items():
        if place:
            name = place.removeprefix("node_modules/")
            assert f"{name} {entry['version']}: {entry['license']}" in text
    assert "SIL OPEN FONT LICENSE" in text
    assert "Permission is hereby granted, free of charge" in text


def test_our_theme_gives_every_measure_and_colour_that_the_design_system_asks_for() -> None:
    theme = (ROOT / assets.THEME).read_text()
    given = set(re.findall(r"(--ds-[\w-]+)\s*:", theme))
    design = (VENDOR / "designsystemet.css").read_text()
    own = set(re.findall(r"(--dsc?-[\w-]+)\s*:", design))
    # A second argument of var() is what holds where nothing is given.
    asked = set(re.findall(r"var\(\s*(--ds-[\w-]+)\s*\)", design))
    assert asked - own - given == set()
    colours = json.loads((ROOT / assets.THEME_CONFIG).read_text())["themes"]["kvitt"]["colors"]
    for name in [*colours["main"], *colours["support"], "neutral"]:
        assert f"--ds-color-{name}-base-default" in given
        assert f'[data-color="{name}"]' in theme


def test_our_own_stylesheets_use_only_what_the_theme_gives() -> None:
    given = set(re.findall(r"(--ds-[\w-]+)\s*:", (ROOT / assets.THEME).read_text()))
    given |= set(re.findall(r"(--ds-[\w-]+)\s*:", (VENDOR / "designsystemet.css").read_text()))
    for sheet in (ROOT / "static" / "css").glob("*.css"):
        text = sheet.read_text()
        own = set(re.findall(r"(--ds-[\w-]+)\s*:", text))
        asked = set(re.findall(r"var\(\s*(--ds-[\w-]+)\s*\)", text))
        assert asked - own - given == set(), sheet.name


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout of the modules that build, with nothing installed."""
    for name in (
        "package.json",
        "package-lock.json",
        "portal/__init__.py",
        "portal/assets.py",
        "portal/demo/__init__.py",
        "portal/demo/bootstrap.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "static").mkdir()
    return tmp_path


def put(folder: Path, **programs: str) -> str:
    """A PATH that begins with these programs."""
    folder.mkdir()
    for name, words in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{words}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def built(root: Path, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "portal.assets", "build"]
    env = os.environ | {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_when_npm_fails_its_reason_and_the_cure_are_told_without_a_trace(bare: Path) -> None:
    npm = 'echo "npm error code ECONNREFUSED" >&2; echo "npm error     at ClientRequest (x.js:1:2)" >&2; exit 7'
    told = built(bare, put(bare / "bin", node="echo v20.1.0", npm=npm))
    assert told.returncode == 1
    assert "npm error code ECONNREFUSED\n`npm ci` failed with code 7" in told.stderr
    assert "npm reaches its registry" in told.stderr
    assert "Traceback" not in told.stderr
    assert "ClientRequest" not in told.stderr
    assert made(bare) == set()
    assert not (bare / "node_modules" / ".kvitt-lock").exists()


def test_packages_that_lack_a_file_are_told_as_a_sentence(bare: Path) -> None:
    told = built(bare, put(bare / "bin", node="echo v20.1.0", npm="mkdir -p node_modules"))
    assert told.returncode == 1
    assert "remove node_modules; then try again" in told.stderr
    assert "Traceback" not in told.stderr
    assert [entry.name for entry in (bare / "static").iterdir()] == []


def test_one_who_asks_for_something_else_is_told_what_there_is(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert assets.main(["bild"]) == 2
    assert "build|lock|theme" in capfd.readouterr().err
