"""The portal package: the frame every service stands in.

It also puts the `collections/` folder on the path, so that the package
`debt_collection` inside it can be imported. The folder is appended, never put
first, and holds no `__init__.py`: nothing in it can shadow Python's own
`collections`.
"""

import sys
from pathlib import Path

_COLLECTIONS = str(Path(__file__).resolve().parent.parent / "collections")
if _COLLECTIONS not in sys.path:
    sys.path.append(_COLLECTIONS)
