"""python memory.py PATH: prints by how many bytes this process grows when npvec opens the store there."""

import os
import sys

from store import Store


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


path = sys.argv[1]
Store.create(1).close()
before = resident()
store = Store.open(path)
after = resident()
assert store.info().mapped
print(after - before)
