"""`python -m tailproof.cli`."""

from tailproof.cli import main

if __name__ == "__main__":
    main()
