"""``sim://NAME``: a simulated meter in this process, under a virtual clock; nothing waits.

``sim://residential`` has an optical port; ``sim://bench?framing=wrapper`` and ``framing=hdlc`` speak DLMS at once;
``sim://residential?speech=sml`` and ``speech=p1`` push telegrams, and so does ``mode=D``.
"""

from __future__ import annotations

from dataclasses import replace

from metersdk.errors import LocalProtocolError
from metersdk.port.line import LineModel
from metersdk.port.target import Address
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, optical_meter, station


def open_simulated(address: Address) -> VirtualPort:
    """A port with the meter of the image ``address.path`` behind it.

    Raises:
        LocalProtocolError: there is no such image.
    """
    device = Image.load(address.path).device()
    settings = StationSettings(speech=address.framing or "optical")
    pushed = address.options.get("speech")
    if pushed is not None:
        if pushed not in ("sml", "p1"):
            raise LocalProtocolError(f"speech={pushed} is unknown", hint="known: sml p1")
        settings = StationSettings(speech=pushed, baud=address.baud)  # type: ignore[arg-type]
    elif address.options.get("mode") == "D":
        meter = optical_meter(device, pusher=True)
        settings = replace(settings, optical=replace(meter, push_baud=address.baud or meter.push_baud))
    model = LineModel() if settings.speech in ("hdlc", "wrapper") else LineModel(baud=300)
    return VirtualPort(station(device, settings), model, name=str(address))
