"""Appends each message of a channel to a file as a line of JSON: subscribe.py URL CHANNEL FILE"""

import asyncio
import sys

import orjson
import uvloop
from aiocometd_ng import Client, ConnectionType

# More than a response holds, so that the next one is asked for before these messages are written.
PENDING_MAX = 10_000
BUFFER_BYTES = 1 << 20


def dumps(value):
    return orjson.dumps(value).decode()


def connect(url):
    # With a connection timeout the library starts one more task for each message.
    return Client(
        url,
        ConnectionType.LONG_POLLING,
        connection_timeout=0,
        max_pending_count=PENDING_MAX,
        json_dumps=dumps,
        json_loads=orjson.loads,
    )


async def main(url, channel, path):
    with open(path, "ab", buffering=BUFFER_BYTES) as file:
        async with connect(url) as client:
            await client.subscribe(channel)
            async for message in client:
                file.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
                if not client.has_pending_messages:
                    file.flush()


uvloop.run(main(*sys.argv[1:]))
