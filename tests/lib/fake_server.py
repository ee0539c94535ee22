"""A TCP server that says what a test wants, where a real PostgreSQL never would."""

import socket
import threading
from typing import Callable


class FakeServer:
    """Runs `talk(connection)` for each client, one after the other, until closed."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "FakeServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                try:
                    if not client.recv(1, socket.MSG_PEEK):
                        continue  # a health probe: connects and says nothing
                    self._talk(client)
                except OSError:
                    pass  # the other side left in the middle; the next client may not
