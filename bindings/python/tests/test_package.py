"""The package: types, size, time to import, and what it says of itself."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import sealock as sl
from conftest import HERE, PACKAGE, REPOSITORY
from sealock import _file, _jobs, _records, _sealock, errors, linear, zk

#: What the wheel may weigh, in bytes, and what an import may take, in seconds.
MOST_BYTES = 40_000_000
MOST_SECONDS = 0.150
#: Where what is public is found.
MODULES = [sl, linear, zk, zk.semaphore]


def mypy(module: str, *arguments: str, cwd: Path) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "MYPY_CACHE_DIR": ".mypy_cache"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_what_is_there(tmp_path: Path) -> None:
    mypy("mypy.stubtest", "sealock", cwd=tmp_path)


def test_everything_is_typed(tmp_path: Path) -> None:
    configuration = f"--config-file={PACKAGE / 'pyproject.toml'}"
    mypy("mypy", configuration, "-p", "sealock", cwd=tmp_path)
    mypy("mypy", configuration, str(REPOSITORY / "examples/story.py"), str(HERE / "typed_sample.py"), cwd=tmp_path)


def test_wrong_types_are_found(tmp_path: Path) -> None:
    sample = tmp_path / "wrong.py"
    sample.write_text(
        "import sealock as sl\n"
        "sl.Price.fixed('0x', 1.5)\n"
        "sl.select('visits')\n"
        "sl.Policy(aggregations=['median'])\n"
        "sl.col('a') == sl.col('b')\n"
        "sl.Exchange.in_memory().owner('me')\n"
        "sl.zk.poseidon(1.5)\n"
        "sl.zk.check_setup(b'bundle')\n"
        "sl.zk.semaphore.verify(sl.zk.setup(4).verifying_key, sl.zk.semaphore.Proof.from_json('{}'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(sample)], capture_output=True, text=True, cwd=tmp_path
    )
    wrong = {int(line) for line in re.findall(r"wrong\.py:(\d+): error", done.stdout)}
    assert wrong == {2, 3, 4, 5, 6, 7, 8, 9}, done.stdout


def test_it_imports_fast() -> None:
    def seconds(code: str) -> float:
        timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
        return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)

    best = min(seconds("import sealock") for _ in range(7))
    print(f"import sealock: {best * 1000:.0f} ms")
    assert best <= MOST_SECONDS


def test_it_is_light(tmp_path: Path) -> None:
    package = Path(_sealock.__file__).parent
    files = [path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    # A wheel is a deflated archive of just these files.
    archive = tmp_path / "wheel.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in files:
            zipped.write(path, path.relative_to(package))
    installed = sum(path.stat().st_size for path in files)
    print(f"installed: {installed / 1e6:.1f} MB, as a wheel: {archive.stat().st_size / 1e6:.1f} MB")
    assert archive.stat().st_size <= MOST_BYTES
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    wheels = sorted((target / "wheels").glob("sealock-*.whl"))
    for wheel in wheels[-1:]:
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
        assert wheel.stat().st_size <= MOST_BYTES
        assert "abi3" in wheel.name
        names = zipfile.ZipFile(wheel).namelist()
        assert {"sealock/py.typed", "sealock/_sealock.pyi", "sealock/_sealock.abi3.so"} <= set(names)


def test_it_needs_nothing_but_python(python: Callable[..., str]) -> None:
    loaded = python(
        """
        import sys
        before = set(sys.modules)
        import sealock
        print(*{name.split(".")[0] for name in set(sys.modules) - before})
        """
    )
    foreign = set(loaded.split()) - set(sys.stdlib_module_names) - {"sealock"}
    assert not foreign
    requirements = importlib.metadata.requires("sealock") or []
    assert all("extra ==" in requirement for requirement in requirements)


def test_everything_public_is_exported_and_documented() -> None:
    assert sl.__version__ == importlib.metadata.version("sealock")
    internal = {"check_process", "close", "command", "error_kinds"}
    public = {name for name in vars(_sealock) if not name.startswith("_")} - internal
    exported = [getattr(module, name) for module in MODULES for name in module.__all__]
    # `sealock.linear` has these in other clothes.
    for name in public - {"Product", "linear_join", "linear_split"}:
        assert any(getattr(_sealock, name) is thing for thing in exported), name
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            if name != "__version__":
                assert thing.__doc__, name
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                for attribute, value in vars(thing).items():
                    if not attribute.startswith("_"):
                        assert value.__doc__, f"{name}.{attribute}"


CLASSES = [(m, name) for m in MODULES for name in m.__all__ if isinstance(getattr(m, name), type)]


@pytest.mark.parametrize(("module", "name"), CLASSES, ids=[f"{m.__name__}.{name}" for m, name in CLASSES])
def test_classes_name_the_module_that_they_are_found_in(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    found = sys.modules[thing.__module__]
    assert getattr(found, name) is thing
    # In a public module, it is the one: two modules have a `Proof`.
    assert found in (module, _records, _file, _jobs, errors)
