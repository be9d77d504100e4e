#!/usr/bin/env python3
"""Makes signed.json: adverts with keepalived's authentication trailer.

Written from the trailer's description with Python's hmac and struct, without a
line of smena, so that the two can disagree:  python3 signed.py > signed.json
"""
import hashlib
import hmac
import ipaddress
import json
import struct


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advert(source, destination, vrid, priority, centiseconds, addresses, key_id, key, stamp, form):
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    pdu = bytes([0x31, vrid, priority, len(addresses)]) + struct.pack(">HH", centiseconds, 0)
    pdu += b"".join(ipaddress.ip_address(address).packed for address in addresses)
    trailer = bytes([1, key_id, 0, 0]) + struct.pack(">Q", stamp)
    prefix = bytes([src.version, 3, vrid, 0]) + src.packed.ljust(16, b"\0")
    mac = hmac.new(key, prefix + pdu + trailer + bytes(16), hashlib.sha256).digest()[:16]
    packet = pdu + trailer + mac
    if src.version == 6:
        summed = src.packed + dst.packed + struct.pack(">II", len(packet), 112) + packet
        header = struct.pack(">IHBB", 0x6C000000, len(packet), 112, 255) + src.packed + dst.packed
    else:
        pseudo = src.packed + dst.packed + struct.pack(">BBH", 0, 112, len(pdu))
        summed = (pseudo if form == "pseudo" else b"") + pdu
        header = struct.pack(">BBHHHBBH", 0x45, 0xC0, 20 + len(packet), 7, 0, 255, 112, 0)
        header += src.packed + dst.packed
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    packet = packet[:6] + struct.pack(">H", checksum(summed)) + packet[8:]
    return {
        "source": source, "destination": destination, "vrid": vrid, "priority": priority,
        "centiseconds": centiseconds, "addresses": addresses, "key_id": key_id,
        "key": key.hex(), "stamp": f"{stamp:016x}", "form": form, "hex": (header + packet).hex(),
    }


SHORT = bytes(range(32))
MIDDLE = hashlib.sha384(b"another").digest()
LONG = hashlib.sha512(b"smena").digest()
V4, V6 = ["10.0.0.100", "10.0.0.101"], ["fe80::100", "2001:db8::100"]
print(json.dumps([
    advert("10.0.0.2", "224.0.0.18", 51, 100, 100, V4[:1], 1, SHORT, 0x6800000080000000, "pseudo"),
    advert("10.0.0.2", "224.0.0.18", 51, 200, 10, V4, 255, LONG, 0x6800000080000001, "rfc9568"),
    advert("10.0.0.2", "10.0.0.1", 7, 255, 4095, V4[:1], 2, MIDDLE, 0xFFFFFFFFFFFFFFFF, "pseudo"),
    advert("fe80::2", "ff02::12", 44, 0, 50, V6, 1, SHORT, 0x6800000100000000, "pseudo"),
    advert("2001:db8::2", "2001:db8::1", 44, 1, 100, V6[:1], 3, LONG, 1, "pseudo"),
], indent=1))
