"""These tests need the frameworks, which scripts/integrations.sh installs; without them they are left out."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("langchain_tests") else ["test_*.py"]
