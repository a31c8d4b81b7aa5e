"""One table of errors for Rust, C and Python; and exceptions that are pleasant to get."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import sys
from collections.abc import Callable

import pytest
import sealock as sl
from conftest import REPOSITORY, Market
from sealock import _sealock, errors

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.SealockError) and kind is not errors.SealockError
}


def test_python_has_the_errors_of_rust() -> None:
    assert {(name, kind.code) for name, kind in CLASSES.items()} == set(_sealock.error_kinds())


def test_c_has_the_errors_of_python() -> None:
    header = REPOSITORY / "bindings/c/include/sealock.h"
    if not header.exists():
        pytest.skip("the C header is not there")
    pattern = r"\bSEALOCK_ERROR_([A-Z0-9_]+)\s*=?\s*\(?(\d+)\)?"
    constants = {name: int(code) for name, code in re.findall(pattern, header.read_text())}
    # Success is none of the kinds.
    kinds = {name: code for name, code in constants.items() if code != 0}
    screaming = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): kind.code for name, kind in CLASSES.items()}
    assert kinds == screaming


def test_every_class_is_documented_and_exported() -> None:
    assert {*CLASSES, "SealockError", "InferredSchemaWarning"} == set(errors.__all__)
    assert all(kind.__doc__ for kind in CLASSES.values())


def test_an_error_tells_kind_code_and_hint(market: Market) -> None:
    with pytest.raises(errors.UnknownColumn) as caught:
        market.asset.estimate(sl.select(sl.sum("visit")))
    error = caught.value
    assert (error.kind, error.code) == ("UnknownColumn", 202)
    assert str(error).startswith('there is no column "visit": did you mean "visits"?')
    assert error.hint == "check the spelling"
    if sys.version_info >= (3, 11):
        assert error.__notes__ == ["hint: check the spelling"]
    assert isinstance(error, sl.SealockError) and isinstance(error, LookupError)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
@pytest.mark.parametrize("hint", [None, "do it otherwise"])
def test_errors_pickle_and_copy(kind: type[errors.SealockError], hint: str | None) -> None:
    error = kind("what happened", hint=hint)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert (str(again), again.hint, again.code) == (str(error), hint, kind.code)


def test_a_stream_that_breaks_the_interface_is_refused_and_the_process_lives(python: Callable[..., str]) -> None:
    # arrow-rs unwraps the message of a stream that fails, and the C stream interface lets there be none.
    out = python(
        """
        import ctypes as c
        import pyarrow as pa
        import sealock as sl

        @c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)
        def get_schema(stream, out):
            pa.schema([("x", pa.int64())])._export_to_c(out)
            return 0

        @c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)
        def get_next(stream, out):
            return 5

        @c.CFUNCTYPE(c.c_void_p, c.c_void_p)
        def get_last_error(stream):
            return None

        class Stream(c.Structure):
            _fields_ = [(name, c.c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private")]

        @c.CFUNCTYPE(None, c.c_void_p)
        def release(stream):
            c.cast(stream, c.POINTER(Stream)).contents.release = None

        stream = Stream(*(c.cast(f, c.c_void_p) for f in (get_schema, get_next, get_last_error, release)), None)

        class Table:
            def __arrow_c_stream__(self, requested_schema=None):
                new = c.pythonapi.PyCapsule_New
                new.restype, new.argtypes = c.py_object, [c.c_void_p, c.c_char_p, c.c_void_p]
                return new(c.addressof(stream), b"arrow_array_stream", None)

        try:
            sl.Schema.infer(Table())
        except sl.errors.Malformed as error:
            print(error)
        print(len(sl.Schema([sl.Column.boolean("x")])))
        """
    )
    assert out.startswith("not a valid Arrow table: ") and out.endswith("\n1\n")


def test_a_fork_is_refused_not_waited_for(python: Callable[..., str]) -> None:
    out = python(
        """
        import os, warnings
        import sealock as sl
        warnings.simplefilter("ignore")
        exchange = sl.Exchange.in_memory()
        if (child := os.fork()) == 0:
            try:
                exchange.assets()
            except sl.errors.Locked as error:
                print("spawn" in error.hint, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(exchange.assets())
        """
    )
    assert out == "True\n[]\n"


def test_a_process_that_only_imported_may_fork(python: Callable[..., str]) -> None:
    out = python(
        """
        import os
        import sealock as sl
        if (child := os.fork()) == 0:
            print(sl.Exchange.in_memory().assets(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert out == "[]\n"
