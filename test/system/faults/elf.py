"""Takes calls of a shared object away from the process's own symbols: a wrapper around it answers.

An undefined symbol NAME is renamed to NAME without its first three letters, which needs no room:
each end of a name is a string of the table already. The wrapper exports that one."""
import struct

CUT = 3
SYMBOL = struct.Struct("<IBBHQQ")  # of 64-bit little-endian objects


def sections(code):
    """name: (offset, size) of each section."""
    start, = struct.unpack_from("<Q", code, 40)
    size, count, names = struct.unpack_from("<HHH", code, 58)
    rows = [struct.unpack_from("<IIQQQQ", code, start + i * size) for i in range(count)]
    text = rows[names][4]
    return {code[text + r[0]:code.index(b"\0", text + r[0])].decode(): (r[4], r[5]) for r in rows}


def take_away(path, names):
    """Rewrites the object at path; returns which of names it calls."""
    with open(path, "rb") as f:
        code = bytearray(f.read())
    if code[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian object")
    where = sections(code)
    (symbols, size), (strings, _) = where[".dynsym"], where[".dynstr"]
    taken = []
    for at in range(symbols, symbols + size, SYMBOL.size):
        name, info, other, section, value, length = SYMBOL.unpack_from(code, at)
        text = code[strings + name:code.index(b"\0", strings + name)].decode()
        if section == 0 and text in names:
            SYMBOL.pack_into(code, at, name + CUT, info, other, section, value, length)
            taken.append(text)
    with open(path, "wb") as f:
        f.write(code)
    return taken
