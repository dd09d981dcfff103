"""Import rules: pure packages stay free of I/O, and every package is part of the layers."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMPURE = ("asyncio", "aiohttp", "socket", "ssl", "select", "sqlalchemy", "gevent")


def test_importing_pure_packages_loads_no_event_loop_and_no_network() -> None:
    program = f"""
import pkgutil, sys
from importlib import import_module
for name in ("chatws.wire", "chatws.protocol", "chatws.settings"):
    package = import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        import_module(module.name)
    assert package.__file__, "nothing was imported"
print(*sorted(set(sys.modules) & set({IMPURE!r})))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_every_package_is_part_of_the_layers() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rows = " ".join(settings["tool"]["importlinter"]["contracts"][0]["layers"])
    listed = set(re.findall(r"chatws\.(\w+)", rows))
    packages = {path.parent.name for path in (ROOT / "chatws").glob("*/__init__.py")}
    assert packages <= listed


def test_browser_sources_contain_no_python_module() -> None:
    assert list((ROOT / "chatws" / "web").rglob("*.py")) == []
