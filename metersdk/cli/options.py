"""What the options that all commands share lead to: a meter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from metersdk.apdu.keys import Keys, TicketKey
from metersdk.cli.output import Output, program
from metersdk.cli.secrets import KeyFile, is_open_to_others, password
from metersdk.dialog.opening import INVOCATION_COUNTER, PUBLIC_CLIENT, AuthenticationName, ProtocolName, SecurityName
from metersdk.dialog.timing import Timing
from metersdk.errors import DecodeError, LocalProtocolError, ServiceError
from metersdk.meter import Meter, connect
from metersdk.port.host.ports import await_return, is_there
from metersdk.port.target import parse_address


@dataclass(frozen=True, slots=True)
class Connection:
    """A target and how to speak to it; ``open`` gives the meter."""

    target: str
    protocol: ProtocolName
    client: int | None
    server: int
    authentication: AuthenticationName | None
    security: SecurityName | None
    password_from: str | None
    key_file: str | None
    user: str | None
    user_id: int | None
    vendor: str | None
    timeout: float | None
    total: float | None
    switch_margin: float | None
    trace: str | None
    wait_for_port: float | None
    memory: bool | None
    out: Output

    @property
    def name(self) -> str:
        """The target as it may be shown."""
        return str(parse_address(self.target))

    @contextmanager
    def open(self) -> Iterator[Meter]:
        """The meter, signed on and associated; closed again at the end.

        Raises:
            MeterError: whatever ``connect`` raises, or a password or key that is not to be had.
        """
        self._wait()
        secret = password(self.password_from) if self.password_from is not None else None
        keys = self._keys()
        with self.out.progress():
            meter = connect(
                self.target,
                protocol=self.protocol,
                password=secret,
                authentication=self.authentication,
                keys=keys,
                security=self.security,
                client=self._client(secret is not None or keys is not None),
                server=self.server,
                timing=self._timing(),
                user=self.user,
                user_id=self.user_id,
                vendor=self.vendor,
                trace=self.trace,
                progress=self.out.hear,
                memory=self.memory,
            )
            with meter:
                yield meter
        if self.trace is not None:
            self.out.say(f"recorded: {self.trace} (look at it with: {program()} trace {self.trace})", "dim")

    def _wait(self) -> None:
        """Until a probe that is not plugged in is, if that was asked for."""
        address = parse_address(self.target)
        if self.wait_for_port is None or address.scheme not in ("serial", "pty"):
            return
        if not is_there(address.path):
            self.out.say(f"waiting {self.wait_for_port:g} s for {address.path} to be plugged in", "dim")
            await_return(address.path, self.wait_for_port)

    def _client(self, known: bool) -> int:
        """The public client, or the management client where there is something to authenticate with."""
        return self.client if self.client is not None else 1 if known else PUBLIC_CLIENT

    def _timing(self) -> Timing:
        return Timing(response=self.timeout or Timing().response, total=self.total, switch_margin=self.switch_margin)

    def _keys(self) -> Keys | TicketKey | None:
        if self.key_file is None:
            return None
        if is_open_to_others(self.key_file):
            self.out.warn(f"{self.key_file} may be read by others: chmod 600 {self.key_file}")
        file = KeyFile(self.key_file)
        spoken = parse_address(self.target).options.get("protocol", self.protocol)
        if spoken == "c1218" or file.is_ticket:
            return file.ticket
        if spoken in ("push", "sml", "c1222"):
            # Nothing is sent, so that no counter is used; or it is the time.
            return file.keys
        start = None if file.knows_counter() else self._counter_of_meter()
        self.out.say(f"invocation counter: kept in {file.counter_path}", "dim")
        return file.with_counter(start)

    def _counter_of_meter(self) -> int:
        """The first use of a key: a meter takes only counters above the last it saw, and tells the public client.

        Raises:
            LocalProtocolError: this one does not.
        """
        try:
            with connect(
                self.target,
                protocol=self.protocol,
                server=self.server,
                client=PUBLIC_CLIENT,
                vendor=self.vendor,
                timing=self._timing(),
                progress=self.out.hear,
                memory=self.memory,
            ) as public:
                last = public.get(1, INVOCATION_COUNTER, 2)
        except (ServiceError, DecodeError) as error:
            raise _untold(error.message) from error
        if not isinstance(last, int):
            raise _untold("it is no number")
        return last + 1


def _untold(why: str) -> LocalProtocolError:
    """To begin anywhere may use a counter again, which breaks the key."""
    return LocalProtocolError(
        f"the meter does not tell its invocation counter: {why}",
        layer="association",
        hint="write invocation_counter = ... into the key file, above the last one this client used",
    )
