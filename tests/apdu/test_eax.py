"""EAX and EAX' against published values."""

from __future__ import annotations

import pytest

from metersdk.apdu.eax import (
    BLOCK,
    MAC_SIZE,
    MIN_CLEARTEXT,
    _Omac,
    eax_decrypt,
    eax_encrypt,
    eax_prime_decrypt,
    eax_prime_encrypt,
)
from metersdk.apdu.keys import Secret
from metersdk.errors import LocalProtocolError, SecurityError

# Bellare, Rogaway, Wagner, "The EAX mode of operation", appendix G: key, nonce, header, message, ciphertext and tag.
EAX = (
    ("233952DEE4D5ED5F9B9C6D6FF80FF478", "62EC67F9C3A4A407FCB2A8C49031A8B3", "6BFB914FD07EAE6B", "",
     "E037830E8389F27B025A2D6527E79D01"),
    ("91945D3F4DCBEE0BF45EF52255F095A4", "BECAF043B0A23D843194BA972C66DEBD", "FA3BFD4806EB53FA", "F7FB",
     "19DD5C4C9331049D0BDAB0277408F67967E5"),
    ("01F74AD64077F2E704C0F60ADA3DD523", "70C3DB4F0D26368400A10ED05D2BFF5E", "234A3463C1264AC6", "1A47CB4933",
     "D851D5BAE03A59F238A23E39199DC9266626C40F80"),
    ("8395FCF1E95BEBD697BD010BC766AAC3", "22E7ADD93CFC6393C57EC0B3C17D6B44", "126735FCC320D25A",
     "CA40D7446E545FFAED3BD12A740A659FFBBB3CEAB7",
     "CB8920F87A6C75CFF39627B56E3ED197C552D295A7CFC46AFC253B4652B1AF3795B124AB6E"),
)  # fmt: skip

# ANSI C12 SC17 committee, "EAX' Cipher Mode" (May 2011): key, canonical cleartext, plaintext, ciphertext, MAC.
KEY = "6624C7E23034E4036FE5CB3A8B5DAB44"
PRIME = (
    (
        KEY,
        ("A211060F2B060104018285638E7F85F1C24E01A80602042BC81AA1AC0FA20DA00BA10980010081044B97D2CC"
        "BE392837813588A60906072B060104828563004B97D2CC"),
        "1751303030303030303030303030303030303030303000000330000103300078033000790330007A0330007B0330007D",
        "BEB0989FADB020EB72BA46353CC0A2AC2A007A101AFEBAF9680D3B9659F991121B865F254F6AC92CDD213D31E3C4D2CA",
        "E6F89B6D",
    ),
    (
        KEY,
        ("A20E060C6086480186FC2F811CAA4E01A806020406AC6342AC0FA20DA00BA10980010081044B9262B0BE752873817184"
        "A60906072B060104828563004B9262B0"
        "17513030303030303030303030303030303030303030000003300001033000280330002A0330002C0330002D0330002E0330002F"
        "03300078033000790330007A0330007B0330007D0330007E03300082033000830330008503300801033008280330082A0330082D"
        "03300853"),
        "",
        "",
        "4F2DF860",
    ),
    # ANSI C12.22-2008, example 8: a read without a session, under a password, and its answer.
    (
        "01020304050607080102030405060708",
        ("A20D060B607C86F7540116007BC175A803020103AC0FA20DA00BA109800102810448F3D061BE2A2828812688"
        "A60C060A607C86F7540116007B040248F3D061"),
        "175150415353574F52442020202020202020202020200002083F00010000100010",
        "41D10CDA76206811B36F781489A11997773E117CB07AA3AA40374A7107C50DA7F7",
        "99C5D4E8",
    ),
    (
        "01020304050607080102030405060708",
        ("A20C060A607C86F7540116007B04A403020103A803020103AC0FA20DA00BA109800102810448F3D060"
        "BE1E281C811A88A60D060B607C86F7540116007BC1750248F3D060"),
        "140000104D414E55464143545552455220534E2092",
        "4BAEE4349631AB5E56A0E6E0E90DFAD558591EE4EA",
        "334CB268",
    ),
)  # fmt: skip


@pytest.mark.parametrize(("key", "nonce", "header", "text", "sealed"), EAX)
def test_eax(key: str, nonce: str, header: str, text: str, sealed: str) -> None:
    secret, start, head = Secret.from_hex(key), bytes.fromhex(nonce), bytes.fromhex(header)
    cipher, tag = eax_encrypt(secret, start, head, bytes.fromhex(text))
    assert (cipher + tag).hex().upper() == sealed
    assert eax_decrypt(secret, start, head, cipher, tag) == bytes.fromhex(text)
    assert eax_decrypt(secret, start, head, cipher, tag[:8]) == bytes.fromhex(text)
    with pytest.raises(SecurityError):
        eax_decrypt(secret, start, head + b"\0", cipher, tag)


@pytest.mark.parametrize(("key", "clear", "text", "cipher", "mac"), PRIME)
def test_eax_prime(key: str, clear: str, text: str, cipher: str, mac: str) -> None:
    secret, head = Secret.from_hex(key), bytes.fromhex(clear)
    made = eax_prime_encrypt(secret, head, bytes.fromhex(text))
    assert (made[0].hex().upper(), made[1].hex().upper()) == (cipher, mac)
    assert eax_prime_decrypt(secret, head, *made) == bytes.fromhex(text)


def test_every_flipped_bit_shows() -> None:
    secret = Secret.from_hex(PRIME[0][0])
    head, cipher, mac = (bytes.fromhex(PRIME[0][at]) for at in (1, 3, 4))
    for at in range(8 * len(cipher)):
        damaged = bytearray(cipher)
        damaged[at >> 3] ^= 1 << (at & 7)
        with pytest.raises(SecurityError):
            eax_prime_decrypt(secret, head, bytes(damaged), mac)
    for at in range(8 * len(head)):
        damaged = bytearray(head)
        damaged[at >> 3] ^= 1 << (at & 7)
        with pytest.raises(SecurityError):
            eax_prime_decrypt(secret, bytes(damaged), cipher, mac)


def test_the_published_forgery_is_refused() -> None:
    """Minematsu et al.: cleartext = padded ciphertext, one block: both MACs are equal, their sum is 0 under any key."""
    secret, cipher = Secret.from_hex(KEY), b"\x01\x30"
    clear = (cipher + b"\x80").ljust(BLOCK, b"\0")
    omac = _Omac(secret, "little")
    assert omac.mac_from(omac.d, clear) == omac.mac_from(omac.q, cipher)
    with pytest.raises(SecurityError, match="not safe"):
        eax_prime_decrypt(secret, clear, cipher, bytes(MAC_SIZE))


def test_short_cleartexts_are_refused_on_both_sides() -> None:
    secret = Secret(bytes(16))
    for size in range(MIN_CLEARTEXT):
        with pytest.raises(SecurityError, match="not safe"):
            eax_prime_decrypt(secret, bytes(size), b"", bytes(MAC_SIZE))
        with pytest.raises(LocalProtocolError, match="not safe"):
            eax_prime_encrypt(secret, bytes(size))
    assert len(eax_prime_encrypt(secret, bytes(MIN_CLEARTEXT))[1]) == MAC_SIZE


def test_what_is_no_key_and_no_tag() -> None:
    with pytest.raises(LocalProtocolError, match="15"):
        eax_prime_encrypt(Secret(bytes(15)), bytes(32))
    with pytest.raises(LocalProtocolError, match="17"):
        eax_encrypt(Secret(bytes(16)), b"", b"", b"", tag_size=17)
    with pytest.raises(LocalProtocolError, match="0"):
        eax_decrypt(Secret(bytes(16)), b"", b"", b"", b"")
