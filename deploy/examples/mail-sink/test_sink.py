"""python3 -m unittest: with the clients of Python's library."""

import asyncio
import http.client
import json
import smtplib
import unittest

import sink


class Sink(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.counts = sink.Counts()
        self.smtp, self.http = [await self.listen(protocol) for protocol in (sink.smtp, sink.http)]

    async def listen(self, protocol):
        server = await sink.serve(protocol, self.counts, "127.0.0.1", 0)
        self.addCleanup(server.close)
        return server.sockets[0].getsockname()[1]

    async def send(self, *subjects):
        def work():
            with smtplib.SMTP("127.0.0.1", self.smtp, timeout=10) as client:
                for subject in subjects:
                    client.sendmail("a@example.com", ["b@example.com"], f"Subject: {subject}\r\n\r\n.\r\nhello\r\n")

        await asyncio.to_thread(work)

    async def call(self, method, path):
        def work():
            client = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
            client.request(method, path)
            answer = client.getresponse()
            return answer.status, json.load(answer)

        return await asyncio.to_thread(work)

    async def test_tells_a_duplicate(self):
        await asyncio.gather(self.send("order 1", "order 2"), self.send("order 2"))
        self.assertEqual(await self.call("GET", "/counts"), (200, {"received": 3, "unique": 2, "duplicates": 1}))

    async def test_counts_orders_only(self):
        await self.send("This week in the shop", "order 1")
        self.assertEqual((await self.call("GET", "/counts"))[1]["received"], 1)

    async def test_starts_again(self):
        await self.send("order 1")
        self.assertEqual(await self.call("POST", "/reset"), (200, {"received": 0, "unique": 0, "duplicates": 0}))
        self.assertEqual((await self.call("GET", "/reset"))[0], 404)

    async def test_a_client_that_breaks_off_does_no_harm(self):
        _, writer = await asyncio.open_connection("127.0.0.1", self.smtp)
        writer.write(b"DATA\r\nSubject: order 9\r\n")
        await writer.drain()
        writer.close()
        await self.send("order 1")
        self.assertEqual(self.counts.read()["received"], 1)


if __name__ == "__main__":
    unittest.main()
