"""The mail server of the demo: keeps no mail, counts the orders by the number in their subject. Python's library only.

SMTP on port 8025, HTTP on 8026:
GET  /counts  {"received": n, "unique": m, "duplicates": n - m}
POST /reset   starts at zero again
"""

import asyncio
import json
import signal
from email import message_from_bytes

LONGEST = 1024 * 1024  # bytes of a mail


class Counts:
    def __init__(self):
        self.reset()

    def reset(self):
        self.received, self.subjects = 0, set()

    def add(self, mail):
        subject = str(message_from_bytes(mail)["Subject"])
        if subject.startswith("order "):
            self.received += 1
            self.subjects.add(subject)

    def read(self):
        unique = len(self.subjects)
        return {"received": self.received, "unique": unique, "duplicates": self.received - unique}


async def smtp(counts, reader, writer):
    """What a client needs to hand over its mails, one after the other."""
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        verb = line[:4].strip().upper()
        if verb == b"DATA":
            writer.write(b"354 end with a dot\r\n")
            await writer.drain()
            counts.add(await reader.readuntil(b"\r\n.\r\n"))
        writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
        await writer.drain()
        if verb == b"QUIT":
            break


async def http(counts, reader, writer):
    """One request, one answer."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    wanted = request.split(" HTTP/")[0]
    if wanted == "POST /reset":
        counts.reset()
    found = wanted in ("GET /counts", "POST /reset")
    body = json.dumps(counts.read() if found else {}).encode() + b"\n"
    status = "200 OK" if found else "404 Not Found"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def serve(protocol, counts, host, port):
    async def connection(reader, writer):
        try:
            await protocol(counts, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away, or sent what nobody sends
        finally:
            writer.close()

    return asyncio.start_server(connection, host, port, limit=LONGEST)


async def main():
    ended = asyncio.Event()
    # As PID 1 of a container a process only dies of the signals it handles.
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    counts = Counts()
    await serve(http, counts, "0.0.0.0", 8026)
    await serve(smtp, counts, "0.0.0.0", 8025)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
