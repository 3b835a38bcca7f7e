"""An ESPHome device with one serial_proxy: its native API over TCP on one side, a serial device on the other.

It speaks the plaintext framing of API 1.16 (00, length, type, protobuf) with the message classes that ESPHome itself
publishes in aioesphomeapi, so the whole client stack in front of it is the real one.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import serial
from aioesphomeapi import api_pb2 as pb
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO

_NUMBERS = {kind.__name__: number for number, kind in MESSAGE_TYPE_TO_PROTO.items()}


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _read_varint(data: bytes, at: int) -> tuple[int, int] | None:
    number = shift = 0
    while at < len(data):
        number |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return number, at
    return None


class EsphomeBridge:
    """Listens on ``port`` until it is closed, one client at a time; ``settings`` are the line settings asked for.

    ``delay``: seconds that everything takes on its way, in either direction.
    """

    def __init__(self, device: str, name: str = "optical_head", delay: float = 0.0) -> None:
        self.name = name
        self.delay = delay
        self.settings: list[tuple[int, int, int]] = []
        self._line = serial.Serial(device, 9600, timeout=0)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopped.set()
        self._thread.join(5)
        self._server.close()
        self._line.close()

    def __enter__(self) -> EsphomeBridge:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            if select.select([self._server], [], [], 0.05)[0]:
                client, _ = self._server.accept()
                with client:
                    self._client(client)

    def _client(self, client: socket.socket) -> None:
        received = b""
        due: deque[tuple[float, Callable[[], None]]] = deque()
        while not self._stopped.is_set():
            ready, _, _ = select.select([client, self._line], [], [], 0.005 if due else 0.05)
            later = time.monotonic() + self.delay
            if self._line in ready:
                due.append((later, partial(_send, client, pb.SerialProxyDataReceived(data=self._line.read(4096)))))
            if client in ready:
                data = client.recv(4096)
                if not data:
                    return
                received += data
                for size, message in list(self._messages(received)):
                    received = received[size:]
                    due.append((later, partial(self._heard, client, message, due)))
            while due and due[0][0] <= time.monotonic():
                due.popleft()[1]()

    def _heard(self, client: socket.socket, message: Any, due: deque[tuple[float, Callable[[], None]]]) -> None:
        answer = self._answer(message)
        if answer is not None:
            due.append((time.monotonic() + self.delay, partial(_send, client, answer)))

    @staticmethod
    def _messages(data: bytes) -> Iterator[tuple[int, Any]]:
        """The whole messages at the start of ``data``, each with its length on the wire."""
        at = 0
        while (size := _read_varint(data, at + 1)) and (number := _read_varint(data, size[1])):
            end = number[1] + size[0]
            if end > len(data):
                return
            yield end - at, MESSAGE_TYPE_TO_PROTO[number[0]].FromString(data[number[1] : end])
            at = end

    def _answer(self, message: Any) -> Any:
        answers: dict[str, Callable[[Any], Any]] = {
            "HelloRequest": lambda _: pb.HelloResponse(api_version_major=1, api_version_minor=16, name="bridge"),
            "DeviceInfoRequest": lambda _: pb.DeviceInfoResponse(
                name="bridge", serial_proxies=[pb.SerialProxyInfo(name=self.name)]
            ),
            "PingRequest": lambda _: pb.PingResponse(),
            "DisconnectRequest": lambda _: pb.DisconnectResponse(),
            "SerialProxyConfigureRequest": self._configure,
            "SerialProxyWriteRequest": self._write,
            "SerialProxyRequest": self._request,
            "SerialProxySetModemPinsRequest": lambda asked: pb.SerialProxyRequestResponse(
                instance=asked.instance, type=pb.SERIAL_PROXY_REQUEST_TYPE_SET_MODEM_PINS
            ),
            "SerialProxyGetModemPinsRequest": lambda _: pb.SerialProxyGetModemPinsResponse(line_states=3),
        }
        answer = answers.get(type(message).__name__)
        return answer(message) if answer else None

    def _configure(self, asked: Any) -> Any:
        self._line.baudrate = asked.baudrate
        self.settings.append((asked.baudrate, asked.data_size, asked.parity))
        return pb.SerialProxyRequestResponse(instance=asked.instance, type=pb.SERIAL_PROXY_REQUEST_TYPE_CONFIGURE)

    def _write(self, asked: Any) -> None:
        self._line.write(asked.data)

    def _request(self, asked: Any) -> Any:
        if asked.type == pb.SERIAL_PROXY_REQUEST_TYPE_FLUSH:
            self._line.flush()
        return pb.SerialProxyRequestResponse(instance=asked.instance, type=asked.type)


def _send(client: socket.socket, message: Any) -> None:
    body = message.SerializeToString()
    client.sendall(b"\0" + _varint(len(body)) + _varint(_NUMBERS[type(message).__name__]) + body)
