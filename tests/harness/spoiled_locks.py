"""Lock files that nobody wrote: mutations of real ones, in bytes, lines and the words of their formats."""

from __future__ import annotations

import random

WORDS = (
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n",
        b"\t",
        b" " * 40,
        b'"',
        b"'",
        b"`",
        b"\\",
        b"\\u0000",
        b"\\ud800",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"[[",
        b"(",
        b")",
        b"<",
        b">",
        b"</",
        b":",
        b": ",
        b",",
        b"=",
        b"==",
        b"===",
        b"@",
        b"/",
        b"#",
    ),
    *(b"//", b"/*", b"*/", b"- ", b"? ", b"<<<<<<< ", b"=======", b"null", b"true", b"0", b"-1", b"1e999", b"9" * 400),
    *(b"[[package]]", b"[package.source]", b"[metadata]", b"version", b"name", b"packages", b"dependencies", b"source"),
    *(b"node_modules/", b"workspace:", b"link:", b"file:", b"npm:", b"patch:", b"git+", b"npm:x@", b"lockfileVersion"),
    *(b"__metadata:", b"GEM", b"DEPENDENCIES", b"require (", b"replace", b"=>", b"// indirect", b"%{", b"{:hex, :a, "),
    *(
        b"<!DOCTYPE a>",
        b"<![CDATA[",
        b"&amp;",
        b"&x;",
        b"${a}",
        b"-r ",
        b"--hash=",
        b" \\\n",
        b"# via",
        b"a" * 400,
        b"." * 300,
    ),
)


def spoiled(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Return the bytes with one to four mistakes.

    Args:
        data: a good file.
        other: another good file, of which pieces are put in.
        dice: the choices.
    """
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(found) or 1)
        size = dice.choice((1, 4, 32, 512))
        match dice.randrange(9):
            case 0 if found:
                found[at] ^= 1 << dice.randrange(8)
            case 1:
                del found[at : at + size]
            case 2:
                found[at:at] = found[at : at + size]
            case 3:
                del found[at:]
            case 4:
                found[at : at + size] = dice.randbytes(size)
            case 5:
                start = dice.randrange(len(other))
                found[at:at] = other[start : start + size]
            case 6:
                lines = bytes(found).split(b"\n")
                dice.shuffle(lines)
                found = bytearray(b"\n".join(lines))
            case 7:
                found[at:at] = dice.choice(WORDS) * dice.choice((1, 1, 1, 30))
            case _:
                found[at : at + size] = dice.choice(WORDS)
    return bytes(found)
