"""TLS and passwords as exporter-toolkit has them: real clients, certificates renewed under way, floods of wrong passwords."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mailwatch.commands.claim import exposure
from mailwatch.options import Address
from mailwatch.web.config import Secret, TlsOptions, WebConfig
from mailwatch.web.guard import READ_SECONDS
from tests.parts.agent import RunningAgent, mailwatch
from tests.parts.certificates import Authority
from tests.parts.crowd import asks_until_dropped
from tests.parts.ports import eventually, free_port
from tests.parts.prometheus import Prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "PLANTED correct horse"
LOGIN = f"scraper:{PASSWORD}"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
COSTLY = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(14)).decode()
USERS = f"basic_auth_users:\n  scraper: {HASH}\n"
TLS = "tls_server_config:\n  cert_file: mx.pem\n  key_file: mx.key\n"
CLIENTS = TLS + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
READ_AGAIN = "INFO the web configuration was read again"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority.make(tmp_path_factory.mktemp("authority"))
    made.sign("mx")
    made.sign("client", san="DNS:scraper.example")
    return made


class Watched(RunningAgent):
    """An agent whose page has a web configuration, with the files of an authority beside it."""

    def configure(self, text: str) -> None:
        self.web.write_text(text)

    @property
    def web(self) -> Path:
        return self.folder / "web.yml"

    def refused(self, reason: str) -> float:
        time.sleep(0.1)  # so that the page is made after what was done before
        return self.value("mailwatch_web_refused_total", reason=reason) or 0


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.ca)


@pytest.fixture
def agent(tmp_path: Path, authority: Authority) -> Iterator[Watched]:
    folder = tmp_path / "agent"
    shutil.copytree(authority.folder, folder)
    log = tmp_path / "mail.log"
    log.touch()
    made = Watched(folder, log, extra=f'web_config_file = "{folder / "web.yml"}"')
    yield made
    if made.process is not None:
        assert made.stop() == 0
    assert "Traceback" not in made.said
    assert "PLANTED" not in made.said
    assert HASH not in made.said


def curl(agent: Watched, *words: str, path: str = "/metrics", scheme: str = "https") -> tuple[int, str]:
    """curl's exit code and what it printed: the status first."""
    done = subprocess.run(
        ["curl", "-s", "-m", "5", "-o", "-", "-w", "\n%{http_code}", *words, f"{scheme}://127.0.0.1:{agent.port}{path}"],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return done.returncode, f"{status} {body}"


def serial(agent: Watched) -> int:
    """The serial number of the certificate that a new connection meets."""
    context = ssl.create_default_context(cafile=agent.folder / "ca.pem")
    with socket.create_connection(("127.0.0.1", agent.port), 5) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as client:  # fmt: skip
        return int(str((client.getpeercert() or {})["serialNumber"]), 16)


def test_curl_scrapes_over_tls_with_a_password(agent: Watched, authority: Authority) -> None:
    agent.configure(TLS + USERS + "http_server_config:\n  headers:\n    Strict-Transport-Security: max-age=86400\n")
    agent.tls, agent.login = trusting(authority), LOGIN
    agent.start()
    ca = str(authority.ca)
    code, said = curl(agent, "--cacert", ca, "-u", LOGIN)
    assert (code, said[:4]) == (0, "200 ")
    assert "mailwatch_build_info" in said
    assert "\nstrict-transport-security: max-age=86400" in curl(agent, "-i", "--cacert", ca, "-u", LOGIN)[1].lower()
    for path in ("/metrics", "/healthz", "/", "/nothing"):
        assert curl(agent, "--cacert", ca, path=path) == (0, "401 Unauthorized\n")
        assert curl(agent, "--cacert", ca, "-u", "scraper:wrong", path=path) == (0, "401 Unauthorized\n")
        assert curl(agent, "--cacert", ca, "-u", f"nobody:{PASSWORD}", path=path) == (0, "401 Unauthorized\n")
    assert agent.refused("auth") == 12
    assert curl(agent)[0] == 60, "an authority that curl does not know"
    assert curl(agent, scheme="http")[0] != 0
    eventually(lambda: agent.refused("tls") == 2, within=5, what="both are counted")
    assert f"metrics=https://127.0.0.1:{agent.port}/metrics" in agent.said


def test_prometheus_scrapes_over_tls_with_a_password(agent: Watched, authority: Authority, tmp_path: Path) -> None:
    agent.configure(TLS + USERS)
    agent.tls, agent.login = trusting(authority), LOGIN
    agent.start()
    extra = f"    scheme: https\n    tls_config: {{ca_file: {authority.ca}}}\n    basic_auth: {{username: scraper, password: '{PASSWORD}'}}\n"
    prometheus = Prometheus(tmp_path / "prometheus", agent.port, extra=extra)
    try:
        prometheus.start()
        eventually(lambda: prometheus.value("up") == 1, within=30, what="it is scraped")
        assert prometheus.value("count(mailwatch_build_info)") == 1
    finally:
        prometheus.stop()


def test_a_renewed_certificate_is_used_without_a_restart(agent: Watched, authority: Authority) -> None:
    agent.configure(TLS)
    agent.tls = trusting(authority)
    agent.start()
    assert serial(agent) == 1
    renewed = Authority(agent.folder)
    kept = agent.folder / "kept"
    kept.mkdir()
    for name in ("mx.pem", "mx.key"):
        shutil.copy(agent.folder / name, kept / name)
    cert, key = Authority(shutil.copytree(agent.folder, agent.folder / "next")).sign("mx", serial=2)
    os.replace(cert, renewed.folder / "mx.pem")  # the key is still the old one
    mismatch = f"ERROR {agent.web}: tls_server_config.cert_file: {agent.folder}/mx.pem does not belong to key_file {agent.folder}/mx.key"

    def told() -> bool:
        assert serial(agent) == 1
        return mismatch in agent.said

    eventually(told, within=5, what="the mismatch is told")
    begin = time.monotonic()
    while time.monotonic() - begin < 2.5:
        assert serial(agent) == 1, "what was good serves on"
    assert agent.said.count(mismatch) == 1
    os.replace(key, renewed.folder / "mx.key")
    eventually(lambda: serial(agent) == 2, within=5, what="the new pair is used")
    assert agent.said.count(READ_AGAIN) == 1


def test_users_change_without_a_restart(agent: Watched) -> None:
    agent.configure(USERS)
    agent.login = LOGIN
    agent.start()
    agent.configure(USERS.replace("scraper", "other"))
    eventually(lambda: agent.get("/metrics")[0] == 401, within=5, what="a remembered user is none any more")
    agent.login = f"other:{PASSWORD}"
    assert agent.get("/metrics")[0] == 200
    agent.configure("basic_auth_users:\n  other: PLANTED\n")
    eventually(lambda: agent.get("/metrics")[0] and "expected a bcrypt hash" in agent.said, within=5, what="it is told")
    assert agent.get("/metrics")[0] == 200, "what was good serves on"
    agent.web.unlink()
    eventually(
        lambda: agent.get("/metrics")[0] and f"cannot read {agent.web}" in agent.said, within=5, what="it is told"
    )
    assert agent.get("/metrics")[0] == 200


def test_a_hang_up_reads_the_web_configuration_and_keeps_the_old_one_when_it_is_wrong(agent: Watched) -> None:
    agent.configure(USERS)
    agent.login = LOGIN
    agent.start()
    other = agent.folder / "other.yml"
    other.write_text("x: PLANTED\n")
    before = agent.extra
    agent.extra = f'web_config_file = "{other}"'
    agent.write_config()
    agent.signal(signal.SIGHUP)
    agent.wait_until_said("ERROR the configuration stays as it was")
    assert f"ERROR {other}: x: unknown key. See README, TLS and passwords." in agent.said
    assert agent.get("/metrics")[0] == 200
    other.write_text(USERS.replace("scraper", "other"))
    agent.signal(signal.SIGHUP)
    agent.wait_until_said("INFO the configuration was read again")
    assert agent.get("/metrics")[0] == 401
    agent.extra = before


def test_a_web_configuration_that_became_a_fifo_holds_nothing_up(agent: Watched) -> None:
    agent.configure(USERS)
    agent.login = LOGIN
    agent.start()
    agent.web.unlink()
    os.mkfifo(agent.web)
    wrong = f"ERROR cannot read {agent.web}: not a regular file"
    eventually(lambda: agent.get("/metrics")[0] == 200 and wrong in agent.said, within=5, what="it is told")
    agent.signal(signal.SIGHUP)
    agent.wait_until_said("ERROR the configuration stays as it was")
    assert agent.get("/metrics")[0] == 200, "what was good serves on"


def test_who_has_no_certificate_of_the_authority_is_not_let_in(agent: Watched, authority: Authority) -> None:
    agent.configure(CLIENTS)
    agent.tls = trusting(authority)
    agent.tls.load_cert_chain(authority.folder / "client.pem", authority.folder / "client.key")
    agent.start()
    ca, own = ["--cacert", str(authority.ca)], authority.folder
    assert curl(agent, *ca)[0] != 0
    assert curl(agent, *ca, "--cert", str(own / "client.pem"), "--key", str(own / "client.key"))[1].startswith("200 ")
    stranger = Authority.make(own / "stranger").sign("client")
    assert curl(agent, *ca, "--cert", str(stranger[0]), "--key", str(stranger[1]))[0] != 0
    eventually(lambda: agent.refused("tls") == 2, within=5, what="both are counted")
    agent.configure(CLIENTS + "  client_allowed_sans: [other.example]\n")
    eventually(lambda: agent.page() == "", within=5, what="its name is not allowed")
    agent.configure(CLIENTS + "  client_allowed_sans: [other.example, scraper.example]\n")
    eventually(agent.page, within=5, what="its name is allowed")
    assert agent.refused("tls") > 2


def test_the_wanted_version_and_ciphers_are_spoken(agent: Watched, authority: Authority) -> None:
    agent.configure(TLS + "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n")
    agent.tls = trusting(authority)
    agent.start()
    with socket.create_connection(("127.0.0.1", agent.port), 5) as plain, agent.tls.wrap_socket(plain, server_hostname="127.0.0.1") as client:  # fmt: skip
        assert (client.cipher() or ())[:2] == ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2")


def test_silent_clients_do_not_keep_a_tls_scrape_waiting(agent: Watched, authority: Authority) -> None:
    agent.configure(TLS)
    agent.tls = trusting(authority)
    agent.start()
    silent = [socket.create_connection(("127.0.0.1", agent.port), 20) for _ in range(300)]
    try:
        begin = time.monotonic()
        assert agent.get("/metrics")[0] == 200
        assert time.monotonic() - begin < 1
        assert agent.refused("connections") >= 172
        assert silent[-1].recv(1) == b"", "nobody has for ever to begin"
        assert agent.refused("slow-request") > 0
    finally:
        for client in silent:
            client.close()


def test_who_does_not_read_over_tls_is_dropped_and_counted(agent: Watched, authority: Authority) -> None:
    agent.configure(TLS)
    agent.tls = trusting(authority)
    agent.start()
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.connect(("127.0.0.1", agent.port))
        with agent.tls.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.settimeout(0.2)
            assert asks_until_dropped(client, READ_SECONDS + 10)
    assert agent.refused("slow-reader") == 1


def flood(port: int, source: str, stop: threading.Event, statuses: list[bytes]) -> None:
    """Wrong passwords without end, each another one."""
    number = 0
    while not stop.is_set():
        number += 1
        wrong = base64.b64encode(f"scraper:wrong {source} {number}".encode()).decode()
        try:
            with socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0)) as client:
                client.sendall(
                    f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {wrong}\r\n\r\n".encode()
                )
                statuses.append(client.recv(12)[-3:])
        except OSError:
            continue


@pytest.mark.parametrize(
    "known", [True, False], ids=["a scraper that was here before", "a new scraper from another network"]
)
def test_a_flood_of_wrong_passwords_does_not_stop_a_right_one(agent: Watched, known: bool) -> None:
    agent.configure(USERS)
    agent.start()  # its page says 401, which is an answer
    agent.login = LOGIN if known else ""
    assert agent.get("/metrics")[0] == (200 if known else 401)
    agent.login = LOGIN
    stop, statuses = threading.Event(), list[bytes]()
    sources = ["127.0.0.1" if known else "127.0.0.9"] * 20
    threads = [threading.Thread(target=flood, args=(agent.port, source, stop, statuses)) for source in sources]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: b"429" in statuses and b"401" in statuses, within=10, what="the flood has begun")
        for _ in range(10):
            begin = time.monotonic()
            assert agent.get("/metrics")[0] == 200
            assert time.monotonic() - begin < 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    eventually(lambda: agent.refused("auth-busy") == statuses.count(b"429"), within=5, what="each is counted")
    assert agent.refused("auth") >= statuses.count(b"401")


LOCKED = TlsOptions(cert_file=Path("mx.pem"), key_file=Path("mx.key"))
SECRETS = {"scraper": Secret(HASH)}
OPEN = "everybody who reaches mx.example.com:10154 can read the page: set web_config_file, or listen on 127.0.0.1"
CLEAR = "passwords cross the network to mx.example.com:10154 in the clear: add tls_server_config to web_config_file"


@pytest.mark.parametrize(
    ("bound", "config", "warning"),
    [
        ("192.0.2.1", WebConfig(), OPEN),
        ("0.0.0.0", WebConfig(), OPEN),
        ("::", WebConfig(), OPEN),
        ("fe80::1%eth0", WebConfig(headers={"X-Frame-Options": "deny"}), OPEN),
        ("192.0.2.1", WebConfig(users=SECRETS), CLEAR),
        ("192.0.2.1", WebConfig(tls=LOCKED), None),
        ("192.0.2.1", WebConfig(tls=LOCKED, users=SECRETS), None),
        ("127.0.0.1", WebConfig(), None),
        ("127.8.8.8", WebConfig(users=SECRETS), None),
        ("::1", WebConfig(), None),
    ],
)
def test_a_page_that_others_can_read_or_overhear_is_worth_a_warning(
    bound: str, config: WebConfig, warning: str | None
) -> None:
    assert exposure(Address(host="mx.example.com", port=10154), bound, config) == warning


def ask_with_wrong_passwords(agent: Watched, number: int) -> list[socket.socket]:
    clients = []
    for each in range(number):
        clients.append(socket.create_connection(("127.0.0.1", agent.port), 5))
        wrong = base64.b64encode(f"scraper:wrong {each}".encode()).decode()
        clients[-1].sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {wrong}\r\n\r\n".encode())
    time.sleep(0.2)
    return clients


def test_an_end_does_not_wait_for_a_costly_password(agent: Watched) -> None:
    agent.configure(f"basic_auth_users:\n  scraper: {COSTLY}\n")
    agent.start()
    clients = ask_with_wrong_passwords(agent, 6)
    begin = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begin < 0.8
    for client in clients:
        with client:
            assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert [line.split()[0] for line in agent.said.splitlines()] == ["INFO", "INFO"]


def test_another_address_is_served_while_passwords_wait_at_the_old_one(agent: Watched) -> None:
    agent.configure(f"basic_auth_users:\n  scraper: {COSTLY}\n  quick: {HASH}\n")
    agent.start()
    clients = ask_with_wrong_passwords(agent, 6)
    agent.port, agent.login = free_port(), f"quick:{PASSWORD}"
    agent.write_config()
    begin = time.monotonic()
    agent.signal(signal.SIGHUP)
    eventually(lambda: agent.page() and agent.get("/metrics")[0] == 200, within=5, what="the new address is served")
    assert time.monotonic() - begin < 1.5
    for client in clients:
        with client:
            assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert not [line for line in agent.said.splitlines() if not line.startswith("INFO")]


def test_an_empty_path_for_the_web_configuration_is_a_typo() -> None:
    done = mailwatch("run", "--web.config.file", "")
    assert done.returncode == 3
