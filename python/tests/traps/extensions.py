"""Other extensions in Rust, in one process with ours, and in each other's callbacks."""

import gc
import threading
import weakref

import bcrypt
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_core import SchemaValidator, ValidationError, core_schema
from telling import attempt, outcome, section, tell
from twisted.internet.defer import Deferred, DeferredList, gatherResults, inlineCallbacks, succeed
from twisted.python.failure import Failure


@section
def theirFunctionsAsCallbacks():
    key = Fernet(Fernet.generate_key())
    outcome(succeed(b"text").addCallback(key.encrypt).addCallback(key.decrypt))
    outcome(succeed(b"salted").addCallback(lambda word: bcrypt.checkpw(word, bcrypt.hashpw(word, bcrypt.gensalt(4)))))
    outcome(succeed("12").addCallback(SchemaValidator(core_schema.int_schema()).validate_python))


@section
def theirErrorsAsFailures():
    key = Fernet(Fernet.generate_key())
    outcome(succeed(b"no token").addCallback(key.decrypt).addErrback(lambda failure: failure.trap(InvalidToken)))
    validator = SchemaValidator(core_schema.int_schema())
    deferred = succeed("none").addCallback(validator.validate_python)
    outcome(deferred.addErrback(lambda failure: (failure.trap(ValidationError), failure.value.error_count())))
    outcome(succeed(b"x").addCallback(bcrypt.hashpw, b"no salt"))
    public = Ed25519PrivateKey.generate().public_key()
    outcome(succeed(bytes(64)).addCallback(public.verify, b"data").addErrback(lambda failure: failure.trap(InvalidSignature)))


@section
def deferredsInsideOfTheirCalls():
    def fired_inside(value):
        inner = Deferred()
        outer = succeed(None).addCallback(lambda _: inner)
        inner.callback(value + 1)
        return outer

    validator = SchemaValidator(core_schema.no_info_after_validator_function(fired_inside, core_schema.int_schema()))
    outcome(succeed("41").addCallback(validator.validate_python))


@section
def throughOneAnotherManyTimes():
    def deeper(value):
        if value == 30:
            raise ValueError("deepest")
        return succeed(value + 1).addCallback(validator.validate_python)

    validator = SchemaValidator(core_schema.no_info_after_validator_function(deeper, core_schema.int_schema()))
    deferred = succeed(0).addCallback(validator.validate_python)
    outcome(deferred.addErrback(lambda failure: (failure.type.__name__, failure.value.error_count())))


@section
def deferredsInTheirData():
    validator = SchemaValidator(core_schema.list_schema(core_schema.is_instance_schema(Deferred)))
    given = [succeed(1), Deferred(), DeferredList([])]
    print([kept is own for kept, own in zip(validator.validate_python(given), given)])
    outcome(gatherResults(validator.validate_python([succeed(1), succeed(2)])))


@section
def theirObjectsInCycles():
    def cycle():
        deferred = Deferred()
        validator = SchemaValidator(core_schema.no_info_plain_validator_function(lambda _: deferred))
        deferred.addCallback(validator.validate_python)
        return weakref.ref(deferred)

    reference = cycle()
    print(reference() is not None)
    gc.collect()
    print(reference())


@section
def theirFailuresThroughGenerators():
    @inlineCallbacks
    def generator(awaited):
        try:
            yield awaited
        except ValidationError as error:
            return error.title

    try:
        SchemaValidator(core_schema.int_schema()).validate_python("x")
    except ValidationError:
        failure = Failure()
    ended = generator(awaited := Deferred())
    awaited.errback(failure)
    outcome(ended)


@section
def whileTheyLetOthersRun():
    """bcrypt lets go of the interpreter's lock, and other threads fire deferreds meanwhile."""
    results = []

    def hashing():
        for _ in range(5):
            deferred = succeed(b"word").addCallback(bcrypt.hashpw, bcrypt.gensalt(4))
            deferred.addCallback(len).addCallback(results.append)

    threads = [threading.Thread(target=hashing) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1000):
        inner = Deferred()
        succeed(None).addCallback(lambda _: inner).addCallback(lambda result: None)
        inner.callback(number)
    for thread in threads:
        thread.join()
    print(results)


tell()
