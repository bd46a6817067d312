"""The contact sheet: every picture that was kept, small, with what was found on its page."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.browser.crawler import Seen, file_name
from tests.browser.findings import Finding

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kvitt, every page</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
h2 { margin: 2.5rem 0 .5rem; } h3 { margin: 1.25rem 0 .25rem; font-size: 1rem; }
.shots { display: flex; flex-wrap: wrap; gap: .75rem; align-items: flex-start; }
figure { margin: 0; } figcaption { font-size: .8rem; }
img { display: block; height: 240px; max-width: 420px; object-fit: cover; object-position: top;
  border: 1px solid #999; }
ul { margin: .25rem 0; color: #a00; }
</style></head><body>
"""


def clear(folder: Path, roles: Iterable[str]) -> None:
    """Removes the pictures of an earlier run."""
    for role in roles:
        for picture in (folder / role).glob("*.png"):
            picture.unlink()
        if (folder / role).is_dir() and not any((folder / role).iterdir()):
            shutil.rmtree(folder / role)


def write(folder: Path, seen: Seen) -> Path:
    """Writes index.html beside the pictures; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, list[Path]]] = {}
    for shot in seen.shots:
        name = shot.stem.rsplit("-", 3)[0]  # …-nb-light-320
        rows.setdefault(shot.parent.name, {}).setdefault(name, []).append(shot)
    parts = [HEAD, f"<h1>Every page: {len(seen.shots)} pictures</h1>"]
    for role, pages in rows.items():
        parts.append(f"<h2>{html.escape(role)}</h2>")
        for name, shots in sorted(pages.items()):
            parts.append(f"<h3>{html.escape(name)}</h3>")
            parts.append(_found(seen.findings, role, name))
            parts.append('<div class="shots">')
            for shot in sorted(shots):
                link = html.escape(str(shot.relative_to(folder)))
                what = html.escape(shot.stem.removeprefix(f"{name}-"))
                parts.append(
                    f'<figure><a href="{link}"><img loading="lazy" src="{link}" alt=""></a>'
                    f"<figcaption>{what}</figcaption></figure>"
                )
            parts.append("</div>")
    index = folder / "index.html"
    index.write_text("".join([*parts, "</body></html>\n"]), encoding="utf-8")
    return index


def _found(findings: Iterable[Finding], role: str, name: str) -> str:
    told = dict.fromkeys(
        f"{one.kind}: {one.what} ({one.language} {one.look})"
        for one in findings
        if one.role == role and file_name(one.place) == name
    )
    items = "".join(f"<li>{html.escape(text)}</li>" for text in told)
    return f"<ul>{items}</ul>" if items else ""
