"""``python -m whylight``."""

import sys

from whylight.cli import main

sys.exit(main())
