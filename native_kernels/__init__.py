"""Arrays in, arrays out: the loops and GPU kernels under kmerengine and modelkit.

Each operation is a folder: `reference.py` (slow and obvious), `cpu.py` (Numba) and `gpu.py`
(CuPy or Triton), with the public function and its dispatch in `__init__.py`. Nothing here
knows a file, a genome or a model.
"""
