"""Files packed as gzip and zip in many ways, and what damage makes of them, by a seeded chance."""

import gzip
import io
import random
import struct
import zipfile

from csv_files import HEADER, rows

CONTENT = HEADER + b"\n".join(rows(20)) + b"\n"
NAMES = ("bars.csv", "a/b/bars.csv", "../../etc/passwd.csv", "/etc/x.csv", "é.csv", "x.txt", "x", "C:\\x.csv", "\n.csv")


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def packed(chance: random.Random) -> bytes:
    """Return a file packed in one way or another."""
    halves = CONTENT[:500], CONTENT[500:]
    match chance.randrange(8):
        case 0:
            return gzip.compress(CONTENT, mtime=0)
        case 1:
            return b"".join(gzip.compress(half, mtime=0) for half in (b"", *halves, b""))
        case 2:
            return gzip.compress(gzip.compress(CONTENT, mtime=0), mtime=0)
        case 3:
            return zipped({chance.choice(NAMES): CONTENT}, chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        case 4:
            return zipped(dict.fromkeys(chance.sample(NAMES, chance.randrange(4)), CONTENT))
        case 5:
            return zipped({"in.zip": zipped({"bars.csv": CONTENT}), "d/": b""})
        case 6:
            return zipped({"bars.csv": CONTENT}, chance.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))
        case _:
            return zipped({"bars.csv": gzip.compress(CONTENT, mtime=0), "README": b"x"})


def damaged(content: bytes, chance: random.Random) -> bytes:
    held = bytearray(content)
    match chance.randrange(6):
        case 0:
            return content[: chance.randrange(len(content) + 1)]
        case 1:
            for _ in range(chance.choice((1, 1, 2, 8))):
                held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
        case 2:
            return content + chance.choice((b"\0", b"x", CONTENT, content, b"PK\x05\x06", chance.randbytes(30)))
        case 3:
            at = chance.randrange(max(len(held) - 130, 0), len(held))  # the directory of a zip
            held[at] = chance.choice((0, 255, chance.randrange(256)))
        case 4:
            at = chance.randrange(min(40, len(held)))  # its first header, or that of gzip
            held[at] = chance.choice((0, 255, chance.randrange(256)))
        case _:
            at = chance.randrange(len(held))
            held[at : at + 8] = struct.pack("<q", chance.choice((-1, 2**62, 2**31, 0)))
    return bytes(held)
