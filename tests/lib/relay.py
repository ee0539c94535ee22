"""A plain TCP relay: stands in for the proxy while checking the harness, and injects faults."""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Optional, Set, Tuple


@dataclass
class Faults:
    """What to do to one direction of the bytes."""

    cut_after: Optional[int] = None      # close both sides after so many bytes
    reset: bool = False                  # cut with RST instead of FIN
    delay_s: float = 0.0                 # before each piece
    piece: int = 65536                   # largest piece passed on at once
    hold_after: Optional[int] = None     # pass nothing more, but keep everything open: half-open


class PlainRelay:
    """Relays TCP to `target`; usable as a context manager. Two threads a connection."""

    def __init__(self, target: Tuple[str, int], to_server: Optional[Faults] = None,
                 to_client: Optional[Faults] = None) -> None:
        self.target = target
        self.to_server = to_server or Faults()
        self.to_client = to_client or Faults()
        self.accepted = 0
        self._open: Set[socket.socket] = set()
        both = (self.to_server, self.to_client)
        self._holding = any(each.hold_after is not None for each in both)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "PlainRelay":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._listener.close()
        self.drop_all()

    def drop_all(self) -> None:
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open |= {client, server}
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        other = threading.Thread(target=self._pump, args=(server, client, self.to_client),
                                 daemon=True)
        other.start()
        self._pump(client, server, self.to_server)
        other.join()
        if not self._holding:
            for each in (client, server):
                each.close()
                self._open.discard(each)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, faults: Faults) -> None:
        passed = 0
        try:
            while True:
                data = source.recv(faults.piece)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                if faults.delay_s:
                    time.sleep(faults.delay_s)
                for limit in (faults.cut_after, faults.hold_after):
                    if limit is not None and passed + len(data) > limit:
                        data = data[:limit - passed]
                sink.sendall(data)
                passed += len(data)
                if faults.cut_after is not None and passed >= faults.cut_after:
                    PlainRelay._cut(source, sink, faults.reset)
                    return
                if faults.hold_after is not None and passed >= faults.hold_after:
                    return
        except OSError:
            PlainRelay._cut(source, sink, False)

    @staticmethod
    def _cut(source: socket.socket, sink: socket.socket, reset: bool) -> None:
        for each in (source, sink):
            try:
                if reset:
                    # The other thread's recv must return first, or the kernel keeps the socket.
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    each.shutdown(socket.SHUT_RD)
                    each.close()
                else:
                    each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
