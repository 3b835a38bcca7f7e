"""Communication setup (Blue Book part 2, 4.7 to 4.9): local port, HDLC, TCP-UDP; and the disconnector (4.5.8)."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from metersdk.model.cosem.base import Attribute, CosemObject, Method
from metersdk.model.cosem.kinds import ANY, BOOLEAN, LONG_UNSIGNED, OBIS, TEXT, UNSIGNED, choice
from metersdk.model.fields import ObisField


class DefaultMode(IntEnum):
    """What the optical port speaks after the sign-on."""

    IEC_62056_21 = 0
    HDLC = 1
    NOT_SPECIFIED = 2


class Baud(IntEnum):
    """Line speeds as classes 19 and 23 number them; ``.rate`` is in Bd."""

    BD_300 = 0
    BD_600 = 1
    BD_1200 = 2
    BD_2400 = 3
    BD_4800 = 4
    BD_9600 = 5
    BD_19200 = 6
    BD_38400 = 7
    BD_57600 = 8
    BD_115200 = 9

    @property
    def rate(self) -> int:
        return int(self.name[3:])


class ResponseTime(IntEnum):
    """Minimum reaction time on the optical port."""

    MS_20 = 0
    MS_200 = 1


class IecLocalPortSetup(CosemObject):
    """IEC local port setup (class 19): the optical port."""

    CLASS_NAME: ClassVar[str] = "IEC local port setup"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "default_mode", choice(DefaultMode)),
        Attribute(3, "default_baud", choice(Baud)),
        Attribute(4, "proposed_baud", choice(Baud)),
        Attribute(5, "response_time", choice(ResponseTime)),
        Attribute(6, "device_address", TEXT),
        Attribute(7, "pass_p1", ANY),
        Attribute(8, "pass_p2", ANY),
        Attribute(9, "pass_w5", ANY),
    )

    class_id: int = 19
    version: int = 1
    default_mode: DefaultMode | int | None = None
    default_baud: Baud | int | None = None
    proposed_baud: Baud | int | None = None
    response_time: ResponseTime | int | None = None
    device_address: str | None = None

    # The passwords are attributes. They are write-only in sound meters, and what others tell is not kept.
    @property
    def pass_p1(self) -> None:
        return None

    @pass_p1.setter
    def pass_p1(self, value: object) -> None:
        return None

    @property
    def pass_p2(self) -> None:
        return None

    @pass_p2.setter
    def pass_p2(self, value: object) -> None:
        return None

    @property
    def pass_w5(self) -> None:
        return None

    @pass_w5.setter
    def pass_w5(self, value: object) -> None:
        return None


class IecHdlcSetup(CosemObject):
    """IEC HDLC setup (class 23). Time-outs: milliseconds between octets, seconds of inactivity (0: none)."""

    CLASS_NAME: ClassVar[str] = "IEC HDLC setup"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "comm_speed", choice(Baud)),
        Attribute(3, "window_size_transmit", UNSIGNED),
        Attribute(4, "window_size_receive", UNSIGNED),
        Attribute(5, "max_info_field_length_transmit", LONG_UNSIGNED),
        Attribute(6, "max_info_field_length_receive", LONG_UNSIGNED),
        Attribute(7, "inter_octet_time_out", LONG_UNSIGNED),
        Attribute(8, "inactivity_time_out", LONG_UNSIGNED),
        Attribute(9, "device_address", LONG_UNSIGNED),
    )

    class_id: int = 23
    version: int = 1
    comm_speed: Baud | int | None = None
    window_size_transmit: int | None = None
    window_size_receive: int | None = None
    max_info_field_length_transmit: int | None = None
    max_info_field_length_receive: int | None = None
    inter_octet_time_out: int | None = None
    inactivity_time_out: int | None = None
    device_address: int | None = None


class TcpUdpSetup(CosemObject):
    """TCP-UDP setup (class 41)."""

    CLASS_NAME: ClassVar[str] = "TCP-UDP setup"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "tcp_udp_port", LONG_UNSIGNED),
        Attribute(3, "ip_reference", OBIS),
        Attribute(4, "max_segment_size", LONG_UNSIGNED),
        Attribute(5, "number_of_simultaneous_connections", UNSIGNED),
        Attribute(6, "inactivity_time_out", LONG_UNSIGNED),
    )

    class_id: int = 41
    tcp_udp_port: int | None = None
    ip_reference: ObisField | None = None
    max_segment_size: int | None = None
    number_of_simultaneous_connections: int | None = None
    inactivity_time_out: int | None = None


class ControlState(IntEnum):
    """State of the disconnector."""

    DISCONNECTED = 0
    CONNECTED = 1
    READY_FOR_RECONNECTION = 2


class DisconnectControl(CosemObject):
    """Disconnect control (class 70)."""

    CLASS_NAME: ClassVar[str] = "Disconnect control"
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute(2, "output_state", BOOLEAN),
        Attribute(3, "control_state", choice(ControlState)),
        Attribute(4, "control_mode", UNSIGNED),
    )
    METHODS: ClassVar[tuple[Method, ...]] = (Method(1, "remote_disconnect"), Method(2, "remote_reconnect"))

    class_id: int = 70
    output_state: bool | None = None
    control_state: ControlState | int | None = None
    control_mode: int | None = None
