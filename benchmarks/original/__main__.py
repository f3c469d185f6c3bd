import sys

from benchmarks.original import main

sys.exit(main())
