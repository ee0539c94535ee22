"""The proxy under test: start it with a configuration, watch it, stop it, and refuse its excuses.

The program is $TRUNKLINE_BINARY, default build/release/trunkline. Set it to `build/asan/…` to run
the whole suite under sanitizers: every stop() looks for their reports.
"""

import json
import os
import re
import signal
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Dict, List, Optional, Tuple, Union

import pytest

from lib.processes import Program, free_port, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZER_REPORT = re.compile(
    r"ERROR: \w*Sanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer")
# The line that ends a reload says one of these beside "reload" or "configuration".
REFUSED = re.compile(r"(?i)kept|keeping|refused|rejected")
RELOAD_OUTCOME = re.compile(r"(?im)^(?=.*(?:reload|configuration))"
                            r".*\b(?:applied|reloaded|kept|keeping|refused|rejected)\b.*$")
STOP_SECONDS = 45  # longer than the default shutdown_timeout


def binary() -> Path:
    """The program, or a skip when skipping was allowed, else an error."""
    path = Path(os.environ.get("TRUNKLINE_BINARY", REPOSITORY / "build/release/trunkline"))
    if path.exists():
        return path.resolve()
    if os.environ.get("TRUNKLINE_ALLOW_SKIP") == "1":
        pytest.skip(f"{path} is not built and TRUNKLINE_ALLOW_SKIP=1")
    pytest.fail(f"{path} does not exist: build it, or set TRUNKLINE_BINARY")


def sanitized() -> bool:
    """Whether the program carries a sanitizer: then memory and time are not what they are."""
    return any(each in binary().parts for each in ("asan", "tsan"))


class Trunkline:
    """One running proxy. The configuration is a dict written as JSON, which is YAML."""

    def __init__(self, folder: Path, config: dict, name: str = "trunkline",
                 environment: Optional[Dict[str, str]] = None) -> None:
        self.folder = folder
        self.config_path = folder / f"{name}.yaml"
        self.log_path = folder / f"{name}.log"
        self.config = config
        self.environment = dict(os.environ, **(environment or {}))
        self.environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
        self.environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        self.program: Optional[Program] = None
        self.write(config)

    def write(self, config: Union[dict, str]) -> None:
        """Put a configuration into the file; str is written as it is."""
        text = config if isinstance(config, str) else json.dumps(config, indent=1)
        self.config_path.write_text(text, encoding="utf-8")

    # -- life ------------------------------------------------------------------------------------

    def start(self, pass_fds: tuple = (), prefix: Tuple[str, ...] = ()) -> "Trunkline":
        """Run it and return when every listener of the configuration accepts."""
        self.program = Program([*prefix, binary(), "run", "--config", self.config_path],
                               self.log_path, environment=self.environment, pass_fds=pass_fds)
        for address in self.addresses():
            wait_until(lambda address=address: self._accepts(address), f"{address} accepts", 15)
        return self

    def addresses(self) -> List[Tuple[str, int]]:
        """Where it listens for clients, the HTTP listener last."""
        listen = self.config["listen"]
        found = [(each["address"], each["port"])
                 for each in (listen if isinstance(listen, list) else [listen])]
        if "admin" in self.config:
            found.append((self.config["admin"]["address"], self.config["admin"]["port"]))
        return found

    def _accepts(self, address: Tuple[str, int]) -> bool:
        assert self.program is not None and self.program.running(), \
            f"the proxy ended with {self.program.process.returncode}:\n{self.log()[-4000:]}"
        host, port = address
        family = socket.AF_UNIX if host.startswith("/") else \
            socket.AF_INET6 if ":" in host else socket.AF_INET
        where = f"{host}/.s.PGSQL.{port}" if family == socket.AF_UNIX else \
            ("127.0.0.1" if host in ("*", "0.0.0.0") else host, port)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(where) == 0

    @property
    def pid(self) -> int:
        assert self.program is not None
        return self.program.pid

    def running(self) -> bool:
        return self.program is not None and self.program.running()

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def terminate(self) -> None:
        """Ask for a drain and return at once."""
        assert self.program is not None
        self.program.signal(signal.SIGTERM)

    def stop(self, expect: int = 0) -> None:
        """TERM, a second TERM after STOP_SECONDS, KILL; the exit code and the log must be clean."""
        if self.program is None:
            return
        self.program.signal(signal.SIGTERM)
        status = self.program.wait(2)
        if status is None:
            # Clients a test left open are drained until shutdown_timeout; a second TERM ends now.
            self.program.signal(signal.SIGTERM)
            status = self.program.wait(STOP_SECONDS)
        self.program.kill()
        self.assert_clean_log()
        assert status is not None, "the proxy had to be killed"
        assert status == expect, f"exit status {status}, expected {expect}:\n{self.log()[-4000:]}"

    def assert_clean_log(self) -> None:
        found = SANITIZER_REPORT.search(self.log())
        assert not found, f"sanitizer report:\n{self.log()[found.start():][:6000]}"

    def reload(self, config: Optional[Union[dict, str]] = None, expect: str = "applied") -> None:
        """HUP with a new file and wait until the log says how it went: applied or refused."""
        if config is not None:
            self.write(config)
        before = len(self.log())
        assert self.program is not None
        self.program.signal(signal.SIGHUP)
        said = wait_until(lambda: RELOAD_OUTCOME.search(self.log(), before),
                          "the log tells how the reload went", 10)
        outcome = "refused" if REFUSED.search(said[0]) else "applied"
        assert outcome == expect, f"expected {expect}, the log says: {self.log()[before:]}"

    # -- HTTP ------------------------------------------------------------------------------------

    def http(self, path: str) -> Tuple[int, str]:
        """GET from the admin listener: status and body."""
        admin = self.config["admin"]
        try:
            with urllib.request.urlopen(f"http://{admin['address']}:{admin['port']}{path}",
                                        timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metrics(self) -> Dict[str, float]:
        """/metrics as {name{labels}: value}; a name without its labels is the sum over them."""
        status, text = self.http("/metrics")
        assert status == 200, text
        found: Dict[str, float] = {}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            found[series] = float(value)
            name = series.split("{", 1)[0]
            if name != series:
                found[name] = found.get(name, 0.0) + float(value)
        return found

    def counter(self, name: str) -> int:
        """One of Envoy's counters by Envoy's name, summed over routes and upstreams."""
        prefix = self.config.get("metrics", {}).get("prefix", "trunkline")
        return int(self.metrics().get(f"{prefix}_postgres_{name}_total", 0))


def base_config(**more) -> dict:
    """A configuration with free ports on loopback; the caller adds what its test is about."""
    config = {"listen": {"address": "127.0.0.1", "port": free_port()},
              "admin": {"address": "127.0.0.1", "port": free_port()},
              "workers": 2, "shutdown_timeout": "5s", "log": {"level": "debug"}}
    config.update(more)
    return config


def client_tls(ca: Optional[Path] = None, cert: Optional[Path] = None, key: Optional[Path] = None,
               alpn: Optional[List[str]] = None) -> ssl.SSLContext:
    """A client's TLS context; without `ca` nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    if cert is not None:
        context.load_cert_chain(cert, key)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context
