"""`python -m modelkit`, which torchrun can start."""

from modelkit.cli import main

if __name__ == "__main__":
    main()
