"""A klein application, and treq that asks it."""

import json

import treq
from klein import Klein
from native import is_native
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater, react
from twisted.web.server import Site

app = Klein()


@app.route("/now/<name>")
def now(request, name):
    return f"now {name}"


@app.route("/later/<name>")
@inlineCallbacks
def later(request, name):
    from twisted.internet import reactor

    yield deferLater(reactor, 0, lambda: None)
    return f"later {name}"


@app.route("/coroutine", methods=["POST"])
async def coroutine(request):
    from twisted.internet import reactor

    await deferLater(reactor, 0, lambda: None)
    request.setHeader("content-type", "application/json")
    return json.dumps({"got": json.loads(request.content.read())})


@app.route("/broken")
def broken(request):
    raise KeyError("broken")


@app.handle_errors(KeyError)
def on_key_error(request, failure):
    request.setResponseCode(418)
    return f"handled {failure.value}"


async def main(reactor):
    listening = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(Site(app.resource()))
    base = f"http://127.0.0.1:{listening.getHost().port}"

    @inlineCallbacks
    def get(path):
        response = yield treq.get(base + path, persistent=False)
        text = yield treq.text_content(response)
        return response.code, text

    asked = [get(path) for number in range(5) for path in (f"/now/{number}", f"/later/{number}")]
    print("native", is_native(asked[0]), is_native(treq.get(base + "/now/x", persistent=False).addCallback(treq.content)))
    print(await gatherResults(asked))
    print(await get("/broken"), (await get("/not/there"))[0])
    response = await treq.post(base + "/coroutine", json={"a": [1, 2]}, persistent=False)
    print(response.code, await treq.json_content(response))
    slow = treq.get(base + "/later/never", persistent=False)
    slow.cancel()
    print(await slow.addErrback(lambda failure: failure.type.__name__))
    await listening.stopListening()


if __name__ == "__main__":
    react(lambda reactor: ensureDeferred(main(reactor)))
