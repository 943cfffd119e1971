"""aiosfstream-ng: OAuth login, and the events of a topic with its own replay.

The loss of a session is not among it: this client takes the advised 500 ms for 500 s.
"""

import asyncio
import sys

from aiohttp import ClientSession
from aiosfstream_ng import Client, PasswordAuthenticator, ReplayOption
from aiosfstream_ng.exceptions import AuthenticationError, ServerError

TOPIC = {
    "Name": "InvoiceStatementUpdates",
    "Query": "SELECT Id, Name, Status__c, Description__c FROM Invoice_Statement__c",
    "ApiVersion": 45.0,
}
CHANNEL = "/topic/InvoiceStatementUpdates"
DEADLINE = 30


class Authenticator(PasswordAuthenticator):
    """The library's own, with the emulator as the login host."""

    def __init__(self, origin, password="password"):
        super().__init__("emulator", "emulator-secret", "admin@example.com", password)
        self.origin = origin

    @property
    def _token_url(self):
        return f"{self.origin}/services/oauth2/token"


class Org:
    """The org, as somebody beside the client sees it."""

    def __init__(self, http, login):
        self.http, self.login = http, login

    async def create(self, kind, record):
        headers = {"Authorization": f"{self.login.token_type} {self.login.access_token}"}
        url = f"{self.login.instance_url}/services/data/v45.0/sobjects/{kind}"
        async with self.http.post(url, json=record, headers=headers) as reply:
            assert reply.status == 201, await reply.text()

    async def create_statements(self, numbers):
        for number in numbers:
            await self.create("Invoice_Statement__c", {"Description__c": str(number)})


async def expect(client, numbers):
    """The next events are those of the statements with these numbers; the replay id of the last."""
    for number in numbers:
        event = await asyncio.wait_for(client.receive(), DEADLINE)
        assert event["channel"] == CHANNEL, event
        assert event["data"]["event"]["type"] == "created", event
        assert event["data"]["sobject"]["Description__c"] == str(number), (number, event)
    return event["data"]["event"]["replayId"]


async def refuses(origin):
    try:
        await Client(Authenticator(origin, password="wrong")).open()
    except AuthenticationError as error:
        assert error.args[1]["error"] == "invalid_grant", error
        return
    raise AssertionError("a wrong password is refused")


async def main(origin):
    await refuses(origin)
    login = Authenticator(origin)
    await login.authenticate()
    async with ClientSession() as http:
        org, seen = Org(http, login), {}
        await org.create("PushTopic", TOPIC)
        async with Client(login, replay=seen) as client:
            try:
                await client.subscribe("/topic/Nothing")
            except ServerError as error:
                assert error.error_code in (400, 403, 404), error
            else:
                raise AssertionError("a topic that does not exist is refused")
            await client.subscribe(CHANNEL)
            await org.create_statements(range(1, 101))
            last = await expect(client, range(1, 101))
        assert seen[CHANNEL].replay_id == last, (seen, last)

        # A client that begins later: what came after the position of the one before, then all.
        await org.create_statements(range(101, 111))
        async with Client(login, replay=seen) as client:
            await client.subscribe(CHANNEL)
            await expect(client, range(101, 111))
        async with Client(login, replay=ReplayOption.ALL_EVENTS) as client:
            await client.subscribe(CHANNEL)
            await expect(client, range(1, 111))
    print("good")


# Its HTTP library keeps no cookie of a host that has an address for a name.
asyncio.run(main(sys.argv[1].replace("127.0.0.1", "localhost")))
