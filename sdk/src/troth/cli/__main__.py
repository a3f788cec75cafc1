"""`python -m troth.cli`, as `troth dev` starts its worker."""

from . import main

if __name__ == "__main__":
    main()
