"""Where the servers' programs come from: found on the machine, else fetched where that is allowed.

Debian's packages when we are root; Kafka's jars through Maven, under Maven's own settings.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("kafka") / "pom.xml"
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
# Debian makes and starts a cluster of its own on installation; nobody asked for that one.
CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")
JAVA_OLDEST = 17
APT_TIMEOUT_S = 900
MAVEN_TIMEOUT_S = 900
OUTPUT_TAIL = 1_500


class Missing(Exception):
    """A server's programs are not there and cannot be installed; the message says what to do."""


def say(text: str) -> None:
    """Tell a person what is being done; standard output is for addresses."""
    print(f"servers  {text}", file=sys.stderr, flush=True)


def postgres_programs() -> Path:
    """The folder with initdb and postgres, the newest Debian has; installed when we are root.

    Raises `Missing`.
    """
    if (found := _find_postgres()) is None:
        if _may_install() and not CREATE_CLUSTER.exists():
            CREATE_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
            CREATE_CLUSTER.write_text("create_main_cluster = false\n", "utf-8")
        _apt("PostgreSQL", "postgresql")
        found = _find_postgres()
    if found is None:
        raise Missing(
            "PostgreSQL is not installed. Debian: apt install postgresql; macOS: brew install"
            " postgresql. Or name a server: TROTH_TEST_POSTGRES=postgresql://user@host/database"
        )
    return found


def _find_postgres() -> Path | None:
    versions = sorted(
        (int(folder.parent.name), folder)
        for folder in DEBIAN_POSTGRES.glob("[0-9]*/bin")
        if folder.parent.name.isdigit() and (folder / "initdb").exists()
    )
    if versions:
        return versions[-1][1]
    in_path = shutil.which("initdb")
    return Path(in_path).resolve().parent if in_path else None


def java() -> str:
    """The Java that runs Kafka. Raises `Missing`."""
    if shutil.which("java") is None:
        _apt("Java", "default-jre-headless")
    found = shutil.which("java")
    if found is None:
        raise Missing(
            f"Java {JAVA_OLDEST} or newer is not installed. Debian: apt install"
            " default-jre-headless. Or name a broker: TROTH_TEST_KAFKA=host:9092"
        )
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_OLDEST:
        raise Missing(f"Kafka needs Java {JAVA_OLDEST} or newer; {found} says: {told.strip()}")
    return found


def kafka_jars() -> Path:
    """The folder with a broker's jars, fetched once into the user's cache. Raises `Missing`.

    The folder appears whole or not at all: two that fetch at once do not meet.
    """
    pom = POM.read_bytes()
    version = re.search(rb"<kafka\.version>([^<]+)<", pom)
    assert version is not None, "the pom names Kafka's version"
    name = f"kafka-{version[1].decode()}-{hashlib.sha256(pom).hexdigest()[:8]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "troth"
    jars = cache / name
    if not jars.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=cache) as fetching:
            _fetch_jars(Path(fetching) / "jars")
            try:
                (Path(fetching) / "jars").rename(jars)
            except OSError:
                if not jars.is_dir():  # somebody else was quicker, and theirs are the same
                    raise
    return jars


def _fetch_jars(into: Path) -> None:
    if shutil.which("mvn") is None:
        _apt("Maven", "maven")
    if shutil.which("mvn") is None:
        raise Missing(
            "Kafka's jars come through Maven, which is not installed. Debian: apt install maven."
            " Or name a broker: TROTH_TEST_KAFKA=host:9092"
        )
    say("fetching Kafka's jars through Maven (once)")
    goal = "dependency:copy-dependencies"
    done = _run(
        ["mvn", "-q", "-B", "-f", str(POM), goal, f"-DoutputDirectory={into}"],
        timeout_s=MAVEN_TIMEOUT_S,
    )
    if done is not None:
        raise Missing(f"Maven could not fetch Kafka's jars:\n{done}")


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(what: str, package: str) -> None:
    """Install a Debian package; as anybody but root, nothing happens. Raises `Missing`."""
    if not _may_install():
        return
    say(f"{what} is missing: apt-get install {package}")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    install += ["-o", f"DPkg::Lock::Timeout={APT_TIMEOUT_S}"]  # another run may be installing
    if _run(install, timeout_s=APT_TIMEOUT_S) is None:
        return
    # A new machine has no package lists yet, or old ones.
    _run(["apt-get", "update", "-qq"], timeout_s=APT_TIMEOUT_S)
    if (failed := _run(install, timeout_s=APT_TIMEOUT_S)) is not None:
        raise Missing(f"apt-get install {package} failed:\n{failed}")


def _run(command: list[str], *, timeout_s: float) -> str | None:
    """None when it went well, else the end of what it printed."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {timeout_s:g} s"
    if done.returncode == 0:
        return None
    return (done.stdout + done.stderr).strip()[-OUTPUT_TAIL:]
