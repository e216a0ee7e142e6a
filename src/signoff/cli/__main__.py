"""`python -m signoff.cli`."""

import sys

from signoff.cli.app import main

sys.exit(main())
