"""Mistakes are made in texts that stand in the program once, or `make chaos-mutants` shows nothing."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def mutants() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("chaos_mutants", str(HERE / "mutants"))
    spec = importlib.util.spec_from_loader("chaos_mutants", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules["chaos_mutants"] = module
    loader.exec_module(module)
    return module


def test_each_mistake_can_be_made() -> None:
    module = mutants()
    for mistake in module.MISTAKES:
        text = (module.ROOT / "src" / mistake.file).read_text()
        assert text.count(mistake.right) == 1, mistake.what
