"""The phone's side of UnifiedPush over XMPP: a slixmpp client that registers at Prosody's
mod_unified_push and takes what is pushed to it.
"""

import asyncio
import base64
import hashlib
from typing import Optional
from xml.etree import ElementTree

import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from lib.background import Background, Changes
from lib.prosody import HOST, Prosody

NAMESPACE = "http://gultsch.de/xmpp/drafts/unified-push"


def hashed(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class Client(slixmpp.ClientXMPP):
    def __init__(self, phone: "Phone", jid: str, password: str, ca_file: str):
        super().__init__(jid, password)
        self.phone = phone
        self.ca_certs = ca_file
        self.ready: asyncio.Future = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("failed_all_auth", lambda _: self.fail("authentication failed"))
        self.register_handler(
            Callback("push", MatchXPath(f"{{jabber:client}}iq/{{{NAMESPACE}}}push"), self.on_push)
        )

    async def on_start(self, _event: object) -> None:
        self.send_presence()
        if not self.ready.done():
            self.ready.set_result(None)

    def fail(self, text: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(text))

    def on_push(self, iq: slixmpp.Iq) -> None:
        push = iq.xml.find(f"{{{NAMESPACE}}}push")
        self.phone.took(push.get("instance"), base64.b64decode(push.text or ""))
        if self.phone.answers:
            reply = iq.reply()
            reply.send()


class Phone:
    """`pushes` are the bytes that arrived, in order."""

    def __init__(
        self,
        background: Background,
        changes: Changes,
        prosody: Prosody,
        ca_file: str,
        name: str = "phone",
    ):
        self.background, self.changes, self.prosody, self.ca_file = (
            background,
            changes,
            prosody,
            ca_file,
        )
        self.name, self.password = name, f"password of {name}"
        self.pushes: list[bytes] = []
        self.arrivals: list[tuple[str, bytes]] = []  # with the app's instance
        self.instances: dict[str, str] = {}  # by hash
        self.answers = True
        self.client: Optional[Client] = None
        prosody.add_user(name, self.password)

    def connect(self) -> None:
        self.background.wait(self.connect_on_loop())

    async def connect_on_loop(self) -> None:
        self.client = Client(self, f"{self.name}@{HOST}/phone", self.password, self.ca_file)
        self.client.connect(("127.0.0.1", self.prosody.c2s_port))
        await self.client.ready

    def register(self, instance: str = "molly") -> str:
        """The endpoint for an app on this phone."""
        return self.background.wait(self.register_on_loop(instance))

    async def register_on_loop(self, instance: str) -> str:
        assert self.client
        self.instances[hashed(instance)] = instance
        iq = self.client.make_iq_set(ito=HOST)
        iq.xml.append(
            ElementTree.Element(
                f"{{{NAMESPACE}}}register",
                {"application": hashed("im.molly.app"), "instance": hashed(instance)},
            )
        )
        answer = await iq.send()
        return answer.xml.find(f"{{{NAMESPACE}}}registered").get("endpoint")

    def took(self, instance: str, payload: bytes) -> None:
        self.arrivals.append((self.instances[instance], payload))
        self.pushes.append(payload)
        self.changes.notify()

    def wait_pushes(self, count: int) -> list[bytes]:
        self.changes.wait_for(lambda: len(self.pushes) >= count, f"{count} pushes at the phone")
        return self.pushes

    def disconnect(self) -> None:
        if self.client:
            self.background.wait(self.disconnect_on_loop())
            self.client = None

    async def disconnect_on_loop(self) -> None:
        assert self.client
        gone = self.client.disconnect()
        if gone:
            await gone
