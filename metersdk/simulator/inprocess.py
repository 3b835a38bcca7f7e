"""``sim://NAME``: a simulated meter in this process, under a virtual clock; nothing waits.

``sim://residential`` has an optical port; ``sim://bench?framing=wrapper`` and ``framing=hdlc`` speak DLMS at once;
``sim://residential?speech=sml`` and ``speech=p1`` push telegrams, and so does ``mode=D``; ``speech=kmp``
is a heat meter. ``sim://ansi`` speaks ANSI C12.18, as any image with ``c1219`` does for ``speech=c1218``, and C12.22
with ``protocol=c1222`` or ``speech=c1222``.
"""

from __future__ import annotations

from dataclasses import replace

from metersdk.dialog.kmp import BAUD
from metersdk.errors import LocalProtocolError
from metersdk.port.line import LineModel
from metersdk.port.target import Address
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.kmp import KmpMeter, serve_kmp
from metersdk.simulator.station import StationSettings, optical_meter, station


def open_simulated(address: Address) -> VirtualPort:
    """A port with the meter of the image ``address.path`` behind it.

    Raises:
        LocalProtocolError: there is no such image.
    """
    device = Image.load(address.path).device()
    settings = StationSettings(speech=address.framing or "optical")
    ansi = "c1222" if address.options.get("protocol") == "c1222" else "c1218"
    pushed = address.options.get("speech", ansi if device.is_ansi and address.framing is None else None)
    if pushed == "c1222":
        return VirtualPort(station(device, StationSettings(speech="c1222")), LineModel(), name=str(address))
    if pushed == "c1218":
        optical = StationSettings(speech="c1218", baud=address.baud)
        return VirtualPort(station(device, optical), LineModel(baud=device.c1219.settings.baud), name=str(address))
    if pushed is not None and pushed != "optical":
        if pushed not in ("sml", "p1", "kmp"):
            raise LocalProtocolError(f"speech={pushed} is unknown", hint="known: optical c1218 c1222 sml p1 kmp")
        if pushed == "kmp":
            meter = KmpMeter(baud=address.baud or BAUD)
            return VirtualPort(serve_kmp(meter), LineModel(baud=meter.baud), name=str(address))
        settings = StationSettings(speech=pushed, baud=address.baud)  # type: ignore[arg-type]
    elif address.options.get("mode") == "D":
        pusher = optical_meter(device, pusher=True)
        settings = replace(settings, optical=replace(pusher, push_baud=address.baud or pusher.push_baud))
    model = LineModel() if settings.speech in ("hdlc", "wrapper") else LineModel(baud=300)
    return VirtualPort(station(device, settings), model, name=str(address))
