"""``sim://NAME``: a simulated meter in this process, under a virtual clock; nothing waits.

``sim://residential`` has an optical port; ``sim://bench?framing=wrapper`` and ``framing=hdlc`` speak DLMS at once.
"""

from __future__ import annotations

from metersdk.port.line import LineModel
from metersdk.port.target import Address
from metersdk.port.virtual import VirtualPort
from metersdk.simulator.image import Image
from metersdk.simulator.station import StationSettings, station


def open_simulated(address: Address) -> VirtualPort:
    """A port with the meter of the image ``address.path`` behind it.

    Raises:
        LocalProtocolError: there is no such image.
    """
    device = Image.load(address.path).device()
    settings = StationSettings(speech=address.framing or "optical")
    model = LineModel(baud=300) if settings.speech == "optical" else LineModel()
    return VirtualPort(station(device, settings), model, name=str(address))
