"""`python -m observatory` is `odd-dashboard`."""

import sys

from observatory.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
