"""An embedded, exact vector store: one NumPy file is the database.

`VectorStore` keeps float32 vectors of one length, each with metadata and perhaps an id, and finds the rows nearest to a
query, exactly. It can be used wherever numpy_vector_store.VectorStore is.
"""

from ._hit import Facet, VectorHit
from ._npvec import FilterError, UnsupportedError
from ._npvec import version as __version__
from ._store import VectorStore

__all__ = ["Facet", "FilterError", "UnsupportedError", "VectorHit", "VectorStore", "__version__"]
