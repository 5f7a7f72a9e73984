"""Run the command as ``python -m autodiff.fit``."""

import sys

from autodiff.fit.command.cli import main

sys.exit(main())
