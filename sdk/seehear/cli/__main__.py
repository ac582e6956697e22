"""`python -m seehear.cli`."""

import sys

from seehear.cli.main import main

sys.exit(main())
