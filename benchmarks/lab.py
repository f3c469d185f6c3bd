"""Runs the experiments whose results the book stores: `python -m benchmarks.lab`.

Results go to `_build/findings` after each group of networks, so that a stopped run resumes
where it was. With `--save` they go into the package, where the pages read them.
"""

import argparse
import resource
import sys
from pathlib import Path

from mnist_tutorial.data import load_mnist, write_whole
from mnist_tutorial.further import replications, settings
from mnist_tutorial.further.replications import STORED
from mnist_tutorial.further.sweeps import run

EXPERIMENTS = replications.EXPERIMENTS | settings.EXPERIMENTS

WORK = Path("_build/findings")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--names", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--save", action="store_true", help="put the results into the package")
    options = parser.parse_args(arguments)
    data = load_mnist()
    for name in options.names:
        configs, its_data, keep = EXPERIMENTS[name](data)
        file = WORK / f"{name}.json"

        def show(done: int, total: int, name: str = name) -> None:
            print(f"{name}: {done} of {total} networks", file=sys.stderr, flush=True)

        rows = run(configs, its_data, file, show, keep)
        seconds = sum(row["seconds"] for row in rows)
        print(f"{name}: {len(rows)} networks, {seconds:.0f} s")
        if options.save:
            write_whole(STORED / file.name, file.read_bytes())
            file.unlink()  # the next run starts afresh
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of processor time")


if __name__ == "__main__":
    main()
