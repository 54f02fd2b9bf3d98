"""Readers of market recordings and raw captures: arrival-ordered events.

An event is the tuple (recv_ns, kind, stream, symbol, text, conn):

  kind   MSG    a WebSocket message; text is the JSON with its envelope
         OPEN   a connection was opened; stream is its URL
         CLOSE  a connection was closed; text is the reason, stream the URL it was opened with
         REST   a REST answer; stream is the URL, text the body
         CONTROL, META   json records of a raw capture (kinds 5 and 6)
  stream the stream name of a message, or the URL
  symbol upper case, "" where it is not known
  conn   connection id of a raw capture, else 0

Formats: "hft" and "cryptofeed" (see the recordings' README) and our raw capture ".ofr" (data.md section 2).
"""
import gzip
import heapq
import os
import re
import struct

MSG, OPEN, CLOSE, REST, CONTROL, META = "msg", "open", "close", "rest", "control", "meta"

_STREAM = re.compile(r'^\s*\{\s*"stream"\s*:\s*"([^"]+)"')
_SYMBOL_PARAM = re.compile(r"[?&]symbol=([^&\s]+)", re.I)


def stream_symbol(stream):
    return stream.split("@", 1)[0].upper()


def url_symbol(url):
    found = _SYMBOL_PARAM.search(url)
    return found.group(1).upper() if found else ""


def url_streams(url):
    """Stream names of a combined-stream URL."""
    if "streams=" not in url:
        return []
    return [s for s in url.split("streams=", 1)[1].split("&", 1)[0].split("/") if s]


def _open(path):
    with open(path, "rb") as f:
        magic = f.read(2)
    return gzip.open(path, "rb") if magic == b"\x1f\x8b" else open(path, "rb")


def name_symbol(path):
    """Symbol of a recording from its file name: ethusd_perp_20240808.gz -> ETHUSD_PERP."""
    base = os.path.basename(path).split(".")[0]
    return re.sub(r"_\d{8}$", "", base).upper()


def _decimal_seconds_ns(text):
    whole, _, fraction = text.partition(".")
    return int(whole) * 1_000_000_000 + int((fraction + "000000000")[:9])


def _message(recv_ns, text):
    found = _STREAM.match(text)
    if not found:
        return None
    stream = found.group(1)
    return (recv_ns, MSG, stream, stream_symbol(stream), text, 0)


def read_hft(path):
    symbol = name_symbol(path)
    with _open(path) as f:
        for raw in f:
            line = raw.decode("utf-8").strip()
            if not line:
                continue
            stamp, _, text = line.partition(" ")
            if len(stamp) == 19:
                recv_ns = int(stamp)
            elif len(stamp) == 16:
                recv_ns = int(stamp) * 1000
            elif len(stamp) == 13:
                recv_ns = int(stamp) * 1_000_000
            else:
                raise ValueError("%s: receive time of %d digits" % (path, len(stamp)))
            event = _message(recv_ns, text)
            if event is None:
                event = (recv_ns, REST, "recording:/depth?symbol=" + symbol, symbol, text, 0)
            yield event


_CF_MSG = re.compile(r"^(\d+(?:\.\d+)?): (\{.*)$", re.S)
_CF_REST = re.compile(r"^(https?://\S+) -> (\d+(?:\.\d+)?): (.*)$", re.S)
_CF_OPEN = re.compile(r"^(wss?://\S+) <-> (\d+(?:\.\d+)?)\s*$", re.S)


def read_cryptofeed(path):
    with _open(path) as f:
        for raw in f:
            line = raw.decode("utf-8").strip()
            if not line or line.startswith("configuration:"):
                continue
            found = _CF_MSG.match(line)
            if found:
                event = _message(_decimal_seconds_ns(found.group(1)), found.group(2))
                if event is None:
                    raise ValueError("%s: message without a stream" % path)
                yield event
                continue
            found = _CF_REST.match(line)
            if found:
                url, stamp, text = found.groups()
                yield (_decimal_seconds_ns(stamp), REST, url, url_symbol(url), text, 0)
                continue
            found = _CF_OPEN.match(line)
            if found:
                yield (_decimal_seconds_ns(found.group(2)), OPEN, found.group(1), "", "", 0)
                continue
            raise ValueError("%s: line not understood: %.80s" % (path, line))


def read_recording(path):
    with _open(path) as f:
        first = f.readline().decode("utf-8", "replace")
    if re.match(r"^\d{13,19} ", first):
        return read_hft(path)
    return read_cryptofeed(path)


def read_recordings(paths):
    """Several recordings merged by receive time, ties in argument order."""
    def numbered(index, path):
        last = None
        for n, event in enumerate(read_recording(path)):
            # a recording keeps its own order even if its clock should step back
            last = event[0] if last is None else max(last, event[0])
            yield (last, index, n, event)
    streams = [numbered(i, p) for i, p in enumerate(paths)]
    for item in heapq.merge(*streams):
        yield item[3]


# --- raw capture -----------------------------------------------------------------------------------------------------

OFR_MAGIC = b"OFRAW1\n\0"
_FILE_HEADER = struct.Struct("<8sIIQQ")
_RECORD_HEADER = struct.Struct("<IIQqqHHI")
_KINDS = {1: MSG, 2: OPEN, 3: CLOSE, 4: REST, 5: CONTROL, 6: META}
_MAX_PAYLOAD = 8 * 1024 * 1024


def _crc_table():
    table = []
    for n in range(256):
        c = n
        for _ in range(8):
            c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
        table.append(c)
    return table


_CRC = _crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    table = _CRC
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class CaptureError(Exception):
    pass


def ofr_records(path, verify=False, last_file=True):
    """(seq, recv_ns, kind number, conn_id, payload bytes) of one capture file."""
    with _open(path) as f:
        data = f.read()
    if len(data) < _FILE_HEADER.size:
        raise CaptureError("%s: file header incomplete" % path)
    magic, version, header_bytes, _, _ = _FILE_HEADER.unpack_from(data, 0)
    if magic != OFR_MAGIC or version != 1 or header_bytes < _FILE_HEADER.size:
        raise CaptureError("%s: not a raw capture of version 1" % path)
    at, end = header_bytes, len(data)
    while at < end:
        bad = None
        if end - at < _RECORD_HEADER.size:
            bad = "incomplete record header"
        else:
            size, crc, seq, recv_ns, _, kind, conn, _ = _RECORD_HEADER.unpack_from(data, at)
            stop = at + _RECORD_HEADER.size + size
            if size > _MAX_PAYLOAD:
                bad = "payload of %d bytes" % size
            elif stop > end:
                bad = "incomplete record"
            elif verify and crc32c(data[at + 8:stop]) != crc:
                bad = "wrong CRC"
                if stop < end:
                    raise CaptureError("%s: offset %d: wrong CRC" % (path, at))
        if bad:
            if last_file:
                return
            raise CaptureError("%s: offset %d: %s" % (path, at, bad))
        yield seq, recv_ns, kind, conn, data[at + _RECORD_HEADER.size:stop]
        at = stop


def ofr_record(seq, recv_ns, kind, conn, payload, mono_ns=0):
    """One encoded record (for tests)."""
    head = struct.pack("<QqqHHI", seq, recv_ns, mono_ns, kind, conn, 0)
    return struct.pack("<II", len(payload), crc32c(head + payload)) + head + payload


def ofr_file_header(open_ms=0):
    return _FILE_HEADER.pack(OFR_MAGIC, 1, 32, open_ms, 0)


def read_ofr(paths, verify=False):
    """Events of one capture in several files (any argument order; ordered by record number)."""
    def first_seq(path):
        for record in ofr_records(path):
            return record[0]
        return 0
    ordered = sorted(paths, key=first_seq)
    urls = {}
    for index, path in enumerate(ordered):
        for _, recv_ns, number, conn, payload in ofr_records(path, verify, index == len(ordered) - 1):
            kind = _KINDS.get(number)
            text = payload.decode("utf-8", "replace")
            if kind == MSG:
                event = _message(recv_ns, text)
                if event is None:
                    event = (recv_ns, MSG, "", "", text, conn)
                yield event[:5] + (conn,)
            elif kind == OPEN:
                urls[conn] = text
                yield (recv_ns, OPEN, text, "", "", conn)
            elif kind == CLOSE:
                yield (recv_ns, CLOSE, urls.get(conn, ""), "", text, conn)
            elif kind == REST:
                url, _, body = text.partition("\n")
                yield (recv_ns, REST, url, url_symbol(url), body, conn)
            elif kind is not None:
                yield (recv_ns, kind, "", "", text, conn)


def find_recordings():
    """Folder of the recordings: $ORDERFLOW_RECORDINGS, else ../shared/data beside the repository; None if absent."""
    here = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(here))
    for path in (os.environ.get("ORDERFLOW_RECORDINGS"),
                 os.path.join(os.path.dirname(root), "shared", "data")):
        if path and os.path.isfile(os.path.join(path, "facts.json")):
            return path
    return None
