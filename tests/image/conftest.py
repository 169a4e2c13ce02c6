"""The peers and fixtures of tests/e2e, for the image."""

import importlib.util
import sys
from pathlib import Path

END_TO_END = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(END_TO_END))

spec = importlib.util.spec_from_file_location("end_to_end", END_TO_END / "conftest.py")
assert spec and spec.loader
end_to_end = importlib.util.module_from_spec(spec)
spec.loader.exec_module(end_to_end)
globals().update({name: it for name, it in vars(end_to_end).items() if not name.startswith("__")})
