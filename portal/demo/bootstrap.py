"""Makes from nothing what Kvitt stands on: the virtualenv, its locks, the roles and the database.

It runs under the machine's bare Python first: standard library only, and psycopg once it is there.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
VENV_STAMP = VENV / "kvitt-lock.json"
LOCKS = {"run": ROOT / "requirements.txt", "test": ROOT / "requirements-test.txt"}
NODE_LOCK = ROOT / "requirements-node.txt"  # only where the machine has no npm
PYTHONS = ((3, 11), (3, 13))

OLDEST_POSTGRES = 15
OWNER, APP = "kvitt_owner", "kvitt_app"
# What letters are, for upper and lower case; sorting is by code point everywhere.
CHARACTER_TYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "nb_NO.UTF-8")

# What uv calls the settings that people and build machines give to pip.
PIP_TO_UV = {
    "index-url": "UV_INDEX_URL",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


class SetupFailed(Exception):
    """Something Kvitt stands on could not be made; the message says what, and the cure."""


# --- the virtualenv ----------------------------------------------------------------------------


def ensure_venv(kind: str) -> None:
    """Makes `.venv` hold exactly what the lock of `kind` (`run` or `test`) says.

    A virtualenv made for the tests holds all that a run needs and is left as it is.
    """
    hashes = {name: hashlib.sha256(lock.read_bytes()).hexdigest() for name, lock in LOCKS.items()}
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # ./run and ./test may start at once
        stamped = _stamp()
        if stamped.get("test") == hashes["test"] or stamped.get(kind) == hashes[kind]:
            return
        # What the tests once put there is kept: going back and forth must cost nothing.
        kind = "test" if "test" in stamped else kind
        first = not _venv_works()
        print(f"Installing what {LOCKS[kind].name} lists into .venv …", file=sys.stderr, flush=True)
        if first:
            shutil.rmtree(VENV, ignore_errors=True)
        VENV_STAMP.unlink(missing_ok=True)
        install(LOCKS[kind])
        VENV_STAMP.write_text(json.dumps({kind: hashes[kind]}))
    finally:
        os.close(folder)


def _stamp() -> dict[str, str]:
    if not VENV_STAMP.exists() or not _venv_works():
        return {}
    return dict(json.loads(VENV_STAMP.read_text()))


def _venv_works() -> bool:
    """Whether `.venv` has a Python of a fitting version that is still on the machine."""
    config = VENV / "pyvenv.cfg"
    if not os.access(VENV_PYTHON, os.X_OK) or not config.exists():
        return False
    version = re.search(r"^version(?:_info)? *= *(\d+)\.(\d+)", config.read_text(), re.MULTILINE)
    return version is not None and PYTHONS[0] <= (int(version[1]), int(version[2])) <= PYTHONS[1]


def install(lock: Path, *, aside: Path | None = None) -> None:
    """With uv if it is at hand, with uv from pip if that can be had, else with pip alone.

    Into `.venv`, which then holds nothing else, or into a folder `aside` that needs no virtualenv.
    """
    uv = shutil.which("uv")
    python, where = sys.executable, ["--target", str(aside)]
    if aside is None:
        python, where = str(VENV_PYTHON), []
        if not VENV_PYTHON.exists():
            _make_venv(pip=uv is None)
    settings = pip_settings()
    uv = uv or _fetch_uv()
    if uv is not None:
        sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, *where]
        done = subprocess.run([*sync, str(lock)], env=uv_environment(settings), check=False)
        if done.returncode == 0:
            return
        print("uv could not install; trying with pip.", file=sys.stderr, flush=True)
    pip = [python, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        subprocess.run([python, "-m", "ensurepip"], capture_output=True, check=False)
    command = [*pip, "install", "--quiet", "--require-hashes", *where, "-r", str(lock)]
    if subprocess.run(command, check=False).returncode:
        raise SetupFailed(
            f"What {lock.name} lists could not be installed; the reason stands above. See that pip "
            "reaches its package index (PIP_INDEX_URL or pip.conf), remove .venv and try again."
        )


def _make_venv(*, pip: bool) -> None:
    command = [sys.executable, "-m", "venv", *([] if pip else ["--without-pip"]), str(VENV)]
    made = subprocess.run(command, capture_output=True, check=False, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupFailed(
            f"A virtualenv could not be made with {sys.executable}. On Debian and Ubuntu: "
            f"apt-get install python3-venv. Python said:\n{(made.stdout + made.stderr).strip()}"
        )


def _fetch_uv() -> str | None:
    """Puts uv beside, not among, the virtualenv's packages: `uv pip sync` would remove it."""
    uv = VENV / "uv" / "bin" / "uv"
    if not uv.exists() and VENV_PYTHON.exists():
        pip = [str(VENV_PYTHON), "-m", "pip", "install", "--quiet", "--target", str(VENV / "uv")]
        subprocess.run([*pip, "uv"], capture_output=True, check=False)
    return str(uv) if uv.exists() else None


def pip_settings() -> dict[str, str]:
    """What pip was told on this machine: its files first, its environment above them."""
    asked: subprocess.CompletedProcess[str] | None = None
    for python in filter(os.path.exists, (str(VENV_PYTHON), sys.executable)):
        asked = subprocess.run(
            [python, "-m", "pip", "config", "list"], capture_output=True, check=False, text=True
        )
        if asked.returncode == 0:
            break
    found: dict[str, str] = {}
    for line in sorted((asked.stdout if asked else "").splitlines(), key=_pip_rank):
        key, _, value = line.partition("=")
        found[key.rpartition(".")[2]] = " ".join(str(ast.literal_eval(value)).split())
    for key in PIP_TO_UV:  # where there is no pip yet, its environment still counts
        said = os.environ.get("PIP_" + key.upper().replace("-", "_"))
        if said:
            found[key] = " ".join(said.split())
    return found


def _pip_rank(line: str) -> int:
    return {"global": 0, "install": 1, ":env:": 2}.get(line.partition(".")[0], 0)


def uv_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours, with pip's settings in uv's words; what was said to uv itself goes before."""
    told = {}
    for key, value in settings.items():
        if key in PIP_TO_UV:
            told[PIP_TO_UV[key]] = value.replace(" ", ",") if key == "find-links" else value
    return {
        # pip takes the best of all indexes, uv the first that has the name. The hashes guard both.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        **told,
        **os.environ,
        "UV_PYTHON_DOWNLOADS": "never",
    }


# --- the locks ---------------------------------------------------------------------------------


def lock(*, upgrade: bool) -> None:
    """Makes the lock files anew from pyproject.toml; `upgrade` lets go of the present versions."""
    uv = shutil.which("uv") or _fetch_uv()
    if uv is None:
        raise SetupFailed("Locks are made with uv, which could not be had: install uv first.")
    # From the main index alone: a folder of local wheels has other files, so other hashes.
    kept = {k: v for k, v in pip_settings().items() if k not in {"find-links", "extra-index-url"}}
    shared = "--universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header"
    all_of_it = ["pyproject.toml", "--group", "test", "--constraint", LOCKS["run"].name]
    for target, source in (
        (LOCKS["run"], ["pyproject.toml"]),
        (LOCKS["test"], all_of_it),
        (NODE_LOCK, ["--group", "node"]),
    ):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder, target.name)
            if target.exists() and not upgrade:
                shutil.copy(target, made)
            command = [uv, "pip", "compile", *source, *shared.split(), "--no-annotate"]
            command += ["--quiet", "--python-version", "3.11", "--output-file", str(made)]
            done = subprocess.run(command, cwd=ROOT, env=uv_environment(kept), check=False)
            if done.returncode:
                raise SetupFailed("The lock could not be made; uv's reason stands above.")
            text = made.read_text()
            if "://" in text or " @ " in text or re.search(r"^-", text, re.MULTILINE):
                raise SetupFailed(f"The new {target.name} names a place; it was not kept.")
            target.write_text(text)


# --- roles and databases -----------------------------------------------------------------------


class DatabaseUrls(NamedTuple):
    """The two ways into one database: its owner, who migrates it, and the application."""

    owner: str
    app: str


def prepare_database(admin_url: str, name: str, *, passwords: Path | None = None) -> DatabaseUrls:
    """Makes the roles and the database `name` where they lack; safe to repeat.

    `passwords` is the file that keeps what was generated for servers that ask for one. A role
    that may not make roles is used for both, as long as row-level security binds it.
    """
    with _connect(admin_url) as admin:
        if admin.info.server_version < OLDEST_POSTGRES * 10000:
            raise SetupFailed(f"DATABASE_URL: PostgreSQL {OLDEST_POSTGRES} or newer is needed.")
        asked = "SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = %s"
        superuser, creates_roles, bypasses = admin.execute(asked, [admin.info.user]).fetchone() or (
            False,
            False,
            False,
        )
        if not superuser and not creates_roles:
            if bypasses:
                raise SetupFailed(
                    f"DATABASE_URL: the role {admin.info.user} has BYPASSRLS, so companies would "
                    "not be kept apart. Give one without it, or one that may create roles."
                )
            if _owner(admin, name) is None:
                _make_database(admin, name, owner=admin.info.user)
            own = with_database(admin_url, name)
            return DatabaseUrls(owner=own, app=own)
        # One at a time: two test runs may meet on the same server. Gone with the connection.
        admin.execute("SELECT pg_advisory_lock(%s)", [0x6B76697474])
        words = {role: _create_role(admin, admin_url, role, passwords) for role in (OWNER, APP)}
        if not superuser:  # only a member may make a database for a role
            admin.execute(f"GRANT {OWNER} TO CURRENT_USER")
        _create_database(admin, admin_url, name)
        urls = DatabaseUrls(
            *(with_database(admin_url, name, role=role, password=words[role]) for role in words)
        )
        with _connect(urls.owner) as owner:
            owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
            # For what comes later only: migrations take rights back, and that must stand.
            grant = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT"
            owner.execute(f"{grant} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP}")
            owner.execute(f"{grant} USAGE ON SEQUENCES TO {APP}")
    return urls


def drop_database(admin_url: str, name: str) -> None:
    """Drops a database, whoever is signed in to it; nothing where there is none."""
    from psycopg import sql

    with _connect(with_database(admin_url, "postgres")) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        admin.execute(drop.format(sql.Identifier(name)))


def drop_own_database(admin_url: str, name: str) -> None:
    """Drops a database that `prepare_database` made, and refuses to drop any other."""
    with _connect(admin_url) as admin:
        owner = _owner(admin, name)
    if owner not in {None, OWNER}:
        raise SetupFailed(
            f"--reset drops only a database that ./run made; {name} belongs to {owner}. "
            "Empty it yourself, or name another in DATABASE_URL."
        )
    drop_database(admin_url, name)


def with_database(
    url: str, database: str, *, role: str | None = None, password: str | None = None
) -> str:
    """The same server and options, another database and, if given, another role."""
    parts = urlsplit(url)
    who, _, host = parts.netloc.rpartition("@")
    dropped = {"dbname"} if role is None else {"dbname", "user", "password"}
    if role is not None:
        who = quote(role) + (f":{quote(password, safe='')}" if password else "")
    options = [(key, value) for key, value in parse_qsl(parts.query) if key not in dropped]
    query = f"?{urlencode(options, safe='/')}" if options else ""
    return f"{parts.scheme}://{who}@{host}/{quote(database)}{query}"


def database_environment(urls: DatabaseUrls) -> dict[str, str]:
    """What Django is told of its database; its checks want the name of the application's role."""
    role = unquote(urlsplit(urls.app).netloc.rpartition("@")[0].partition(":")[0])
    return {
        "DATABASE_URL": urls.app,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_APP_ROLE": role or APP,
    }


def _connect(url: str) -> Connection:
    """Signs in with autocommit; where the named database is not there yet, to `postgres`."""
    import psycopg

    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        lacks = f'database "{unquote(urlsplit(url).path).lstrip("/")}" does not exist'
        if lacks in str(error) and "postgres" not in lacks:
            return _connect(with_database(url, "postgres"))
        raise SetupFailed(f"PostgreSQL could not be reached: {str(error).strip()}") from error


def _owner(admin: Connection, name: str) -> str | None:
    asked = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
    row = admin.execute(asked, [name]).fetchone()
    return None if row is None else str(row[0])


def _create_role(admin: Connection, url: str, role: str, passwords: Path | None) -> str | None:
    """Makes the role or mends it; returns its password where the server asks for one."""
    row = admin.execute(
        "SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR NOT rolcanlogin"
        " FROM pg_roles WHERE rolname = %s",
        [role],
    ).fetchone()
    if row is None:
        admin.execute(f"CREATE ROLE {role} LOGIN")
    elif row[0]:
        admin.execute(f"ALTER ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
    if admin.info.host.startswith("/") and not admin.info.password:
        return None  # a socket: the right to open its folder is the key
    if passwords is None:
        raise SetupFailed("This server asks for passwords, and no file was named to keep them.")
    server = f"{admin.info.host}:{admin.info.port}"
    words = json.loads(passwords.read_text()) if passwords.exists() else {}
    word = words.setdefault(server, {}).setdefault(role, secrets.token_urlsafe(24))
    write_secret(passwords, json.dumps(words, indent=1))
    if row is None or not _signs_in(with_database(url, "postgres", role=role, password=word)):
        # Hashed here, so that the server's log never sees the word itself.
        hashed = admin.pgconn.encrypt_password(word.encode(), role.encode(), b"scram-sha-256")
        admin.execute(f"ALTER ROLE {role} PASSWORD '{hashed.decode()}'")
    return str(word)


def _signs_in(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=10).close()
    except psycopg.OperationalError:  # this is the answer: the caller sets the password anew
        return False
    return True


def _create_database(admin: Connection, url: str, name: str) -> None:
    """Makes the database; an empty one of another's is handed over, a full one is left alone."""
    from psycopg import sql

    present = _owner(admin, name)
    if present is None:
        _make_database(admin, name, owner=OWNER)
    elif present != OWNER:
        with _connect(with_database(url, name)) as inside:
            asked = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            if inside.execute(asked).fetchone() != (0,):
                raise SetupFailed(
                    f"The database {name} belongs to {present} and is not empty. "
                    "Name another in DATABASE_URL; it is made when it is not there."
                )
        handover = sql.SQL("ALTER DATABASE {} OWNER TO {}")
        admin.execute(handover.format(sql.Identifier(name), sql.Identifier(OWNER)))


def _make_database(admin: Connection, name: str, *, owner: str) -> None:
    import psycopg
    from psycopg import sql

    make = sql.SQL(
        "CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE {}"
    )
    refused = ""
    for letters in CHARACTER_TYPES:
        try:
            admin.execute(
                make.format(sql.Identifier(name), sql.Identifier(owner), sql.Literal(letters))
            )
            return
        except psycopg.errors.InsufficientPrivilege as error:
            raise SetupFailed(
                f"DATABASE_URL: there is no database {name}, and the role {admin.info.user} may "
                "not make one. Make it first, or give a role with CREATEDB."
            ) from error
        except (psycopg.errors.WrongObjectType, psycopg.errors.InvalidParameterValue) as error:
            refused = str(error)  # this server's system has no such locale: the next may do
    raise SetupFailed(f"The server knows none of {', '.join(CHARACTER_TYPES)}: {refused}")


# --- what is made once and kept ----------------------------------------------------------------


def secrets_in(path: Path) -> dict[str, str]:
    """The keys of this installation, made the first time: losing them loses what they closed."""
    if not path.exists():
        made = {
            "SECRET_KEY": os.urandom(40).hex(),
            "FIELD_KEYS": urlsafe_b64encode(os.urandom(32)).decode(),
            "SIGNATURE_KEY": os.urandom(32).hex(),
        }
        write_secret(path, json.dumps(made, indent=1))
    return {key: str(value) for key, value in json.loads(path.read_text()).items()}


def write_secret(path: Path, text: str) -> None:
    """Writes a file that only this account can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # made with mode 600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(name, path)


class Done:
    """Which files a step found when it was last done, so that it can be left out."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._done = json.loads(note.read_text()) if note.exists() else {}

    def same(self, step: str, files: Sequence[Path]) -> bool:
        """Whether nothing has changed since."""
        return bool(self._done.get(step) == self._print(files))

    def note(self, steps: Mapping[str, Sequence[Path]]) -> None:
        """Writes down what all steps have found, and made."""
        self._note.write_text(json.dumps({step: self._print(f) for step, f in steps.items()}))

    def _print(self, files: Sequence[Path]) -> str:
        here = self._note.parent  # a folder that was moved or copied has made its own files
        stats = [
            (str(file.relative_to(here) if file.is_relative_to(here) else file), file.stat())
            for file in sorted(files)
            if file.is_file()
        ]
        rows = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


# --- from the command line ---------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """`run …` and `test …` become those programs inside the virtualenv; `lock` makes the locks."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # it would double the time of every start
    os.environ.pop("PYTHONSAFEPATH", None)  # the checkout has to be importable
    what, rest = arguments[0], list(arguments[1:])
    try:
        if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
            raise SetupFailed(
                f"Kvitt runs on Python 3.11 to 3.13; this is {sys.version.split()[0]}."
            )
        if what == "run" and rest[:1] == ["lock"]:
            lock(upgrade="--upgrade" in rest)
            return 0
        ensure_venv(what)
    except SetupFailed as failure:
        print(f"{failure}", file=sys.stderr)
        return 1
    program = {"run": ["-m", "portal.demo.supervisor"], "test": [str(ROOT / "test")]}[what]
    os.environ["PYTHONPATH"] = str(ROOT)  # so that it may be started from anywhere
    return os.execv(VENV_PYTHON, [str(VENV_PYTHON), *program, *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
