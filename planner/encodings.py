"""PostgreSQL's encodings: how their names are compared, and those that COPY can read and write, as Python knows them.

Reference: PostgreSQL documentation, "Character Set Support".
"""

import re

_CODECS = {
    "utf8": "utf-8", "unicode": "utf-8", "latin1": "iso8859-1", "iso88591": "iso8859-1",
    "latin2": "iso8859-2", "iso88592": "iso8859-2", "latin3": "iso8859-3", "iso88593": "iso8859-3",
    "latin4": "iso8859-4", "iso88594": "iso8859-4", "iso88595": "iso8859-5", "iso88596": "iso8859-6",
    "iso88597": "iso8859-7", "iso88598": "iso8859-8", "latin5": "iso8859-9", "iso88599": "iso8859-9",
    "latin6": "iso8859-10", "iso885910": "iso8859-10", "latin7": "iso8859-13", "iso885913": "iso8859-13",
    "latin8": "iso8859-14", "iso885914": "iso8859-14", "latin9": "iso8859-15", "iso885915": "iso8859-15",
    "latin10": "iso8859-16", "iso885916": "iso8859-16", "koi8": "koi8-r", "koi8r": "koi8-r", "koi8u": "koi8-u",
    "win866": "cp866", "alt": "cp866", "win874": "cp874", "win1250": "cp1250", "win1251": "cp1251",
    "win": "cp1251", "win1252": "cp1252", "win1253": "cp1253", "win1254": "cp1254", "win1255": "cp1255",
    "win1256": "cp1256", "win1257": "cp1257", "win1258": "cp1258", "eucjp": "euc_jp", "euckr": "euc_kr",
    "euccn": "gb2312", "sjis": "cp932", "mskanji": "cp932", "shiftjis": "cp932", "windows932": "cp932",
    "win932": "cp932",
    "big5": "cp950", "windows950": "cp950", "win950": "cp950", "gbk": "gbk", "windows936": "gbk", "win936": "gbk",
    "gb18030": "gb18030", "uhc": "cp949", "windows949": "cp949", "win949": "cp949", "johab": "johab",
    "shiftjis2004": "shift_jis_2004", "eucjis2004": "euc_jis_2004",
}  # fmt: skip
"""By their names as `clean_encoding` gives them."""
_SINGLE_BYTE = {
    "iso8859-1": "LATIN1", "iso8859-2": "LATIN2", "iso8859-3": "LATIN3", "iso8859-4": "LATIN4", "iso8859-9": "LATIN5",
    "iso8859-10": "LATIN6", "iso8859-13": "LATIN7", "iso8859-14": "LATIN8", "iso8859-15": "LATIN9",
    "iso8859-16": "LATIN10", "iso8859-5": "ISO_8859_5", "iso8859-6": "ISO_8859_6", "iso8859-7": "ISO_8859_7",
    "iso8859-8": "ISO_8859_8", "koi8-r": "KOI8R", "koi8-u": "KOI8U", "cp866": "WIN866", "cp874": "WIN874",
    "cp1250": "WIN1250", "cp1251": "WIN1251", "cp1252": "WIN1252", "cp1253": "WIN1253", "cp1254": "WIN1254",
    "cp1255": "WIN1255", "cp1256": "WIN1256", "cp1257": "WIN1257", "cp1258": "WIN1258",
}  # fmt: skip
"""Of one byte a character: PostgreSQL's own names of them, by codec. The codecs' tables are PostgreSQL's."""


def clean_encoding(name: str) -> str:
    """What PostgreSQL compares of a name: letters, without case, and digits. Reference: `pg_char_to_encoding`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def single_byte(name: str) -> str | None:
    """PostgreSQL's own name of an encoding of one byte a character; None for any other."""
    return _SINGLE_BYTE.get(_CODECS.get(clean_encoding(name), ""))


def python_codec(name: str) -> str | None:
    """The codec of an encoding, None for one that is not known."""
    return _CODECS.get(clean_encoding(name))
