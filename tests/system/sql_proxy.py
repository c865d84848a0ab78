# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy before a MySQL or MariaDB server that knows statements: it does something when one that matches comes by, such as cutting the
connection right before or after the server gets it."""
import re
import socket
import threading


class Cut(Exception):
    """Ends the connection, on both sides."""


class Proxy:
    """`at(pattern, what, times)` arms it: the next statements that match are given to `what(forward)`, which may call forward() to hand the statement
    to the server and wait for the answer (kept back until `what` returns), raise Cut, or return an answer of its own. before, after, at_once and
    error(code) are such functions."""

    def __init__(self, port):
        self.upstream, self.lock = port, threading.Lock()
        self.armed, self.seen, self.open = None, [], set()
        self.port = 0
        self.listen()

    def listen(self):
        self.listener = socket.create_server(('127.0.0.1', self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def refuse(self):
        """No new connections, until listen()."""
        end(self.listener)

    def at(self, pattern, what, times=1):
        with self.lock:
            self.armed, self.seen = [re.compile(pattern), what, times], []

    def wants(self, text):
        with self.lock:
            self.seen.append(text)
            if not self.armed or not self.armed[0].search(text):
                return None
            what = self.armed[1]
            self.armed[2] -= 1
            if self.armed[2] <= 0:
                self.armed = None
            return what

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(('127.0.0.1', self.upstream), 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.open.add(s)
            pair = Pair(self, client, server)
            threading.Thread(target=pair.to_server, daemon=True).start()
            threading.Thread(target=pair.to_client, daemon=True).start()

    def close(self):
        end(self.listener)
        for s in list(self.open):
            end(s)


def end(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()


class Pair:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.kept, self.keeping, self.came = b'', False, threading.Condition()

    def end(self):
        for s in (self.client, self.server):
            self.proxy.open.discard(s)
            end(s)
        with self.came:
            self.came.notify_all()

    def read(self, n):
        data = b''
        while len(data) < n:
            part = self.client.recv(n - len(data))
            if not part:
                raise OSError('closed')
            data += part
        return data

    def to_server(self):
        try:
            while True:
                head = self.read(4)
                body = self.read(int.from_bytes(head[:3], 'little'))
                # a statement: the first packet of an exchange, COM_QUERY or the text of COM_STMT_PREPARE
                what = self.proxy.wants(body[1:].decode('latin1')) if head[3] == 0 and body[:1] in (b'\x03', b'\x16') else None
                if not what:
                    self.server.sendall(head + body)
                    continue
                with self.came:
                    self.keeping = True
                said = what(lambda wait=True: self.forward(head + body, wait))
                with self.came:
                    self.keeping = False
                    self.client.sendall(said or self.kept)
                    self.kept = b''
        except (OSError, Cut):
            self.end()

    def forward(self, packet, wait):
        self.server.sendall(packet)
        with self.came:
            if wait and not self.kept:
                self.came.wait(30)

    def to_client(self):
        try:
            while True:
                data = self.server.recv(65536)
                if not data:
                    break
                with self.came:
                    if self.keeping:
                        self.kept += data
                        self.came.notify_all()
                    else:
                        self.client.sendall(data)
        except OSError:
            pass
        self.end()


def before(forward):
    raise Cut


def after(forward):
    forward()
    raise Cut


def at_once(forward):
    forward(wait=False)
    raise Cut


def error(code):
    """The server is not asked, and the client gets this error."""
    body = b'\xff' + code.to_bytes(2, 'little') + b'#HY000made up'
    return lambda forward: len(body).to_bytes(3, 'little') + b'\x01' + body
