"""Who the meter is, as far as it has told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Identity(BaseModel):
    """What a meter says of itself while it is signed on to.

    Attributes:
        manufacturer: FLAG id, three letters (``"LGZ"``), from the identification, the system title or the device name;
            of an ANSI meter the four letters in table 1.
        model: identification text of IEC 62056-21 without manufacturer, speed and ``\\W`` sequences; ED_MODEL of
            table 1.
        serial_number: meter serial number (0.0.96.1.0.255), the device id of a readout (C.1, 0.0.0), or the
            manufacturer's serial number of table 1.
        device_id: what the utility calls an ANSI meter (table 5).
        hardware, firmware: version and revision (table 1), ``"1.2"``.
        logical_device_name: COSEM logical device name (0.0.42.0.0.255).
        server_id: server id of an SML meter in hex; its maker and serial number stand in it.
        system_title: DLMS system title in hex, 16 digits.
        identification: the identification line as it was sent; of an ANSI meter the standard that it follows.
        protocols: what the meter offers: ``"iec62056-21:A"`` to ``":D"``, ``"dlms:hdlc"``, ``"dlms:wrapper"``,
            ``"sml"``, ``"p1"``, ``"c1218"``.
        protocol: what this session speaks, one of ``protocols``.
        baud: speed of the line after negotiation; None where there is no line.
        family: the vendor data that hold for this meter, chosen or found by its identification or table 1; None: the
            standard.
    """

    model_config = ConfigDict(frozen=True)

    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    logical_device_name: str | None = None
    system_title: str | None = None
    server_id: str | None = None
    identification: str | None = None
    device_id: str | None = None
    hardware: str | None = None
    firmware: str | None = None
    protocols: tuple[str, ...] = ()
    protocol: str = ""
    baud: int | None = None
    family: str | None = None

    def __str__(self) -> str:
        """``MSK METERSDK-R1, serial number 12345678, dlms:hdlc at 9600 Bd`` without what is unknown."""
        name = " ".join(part for part in (self.manufacturer, self.model or self.logical_device_name) if part)
        serial = f"serial number {self.serial_number}" if self.serial_number else ""
        spoken = f"{self.protocol} at {self.baud} Bd" if self.baud else self.protocol
        return ", ".join(part for part in (name, serial, spoken) if part)
