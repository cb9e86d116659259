"""`python -m kmerengine`."""

from kmerengine.cli import main

main()
