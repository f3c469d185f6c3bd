"""Going further: a Spark job that reads digits with the exported network.

    spark-submit spark_job.py mnist.onnx IMAGES ANSWERS

IMAGES are Parquet files with an `id` and an `image` of one byte a pixel, row by row. ANSWERS is
a new folder of Parquet files with the `id`, the `digit` and the `probabilities`; Spark adds
`_SUCCESS` when all are written. The file runs by itself: where the work is done it needs Python
with numpy, pandas, pyarrow and onnxruntime, neither JAX nor the rest of this package.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # what is not installed with the book is imported where it is needed
    from pyarrow import RecordBatch
    from pyspark.sql import DataFrame

SCHEMA = "id bigint, digit int, probabilities array<float>"


def make_scorer(network: bytes) -> "Callable[[Iterator[RecordBatch]], Iterator[RecordBatch]]":
    """What each of Spark's tasks does with its share of the images.

    Args:
      network: the content of mnist.onnx, which travels to the tasks with the function.
    """

    def score(batches: "Iterator[RecordBatch]") -> "Iterator[RecordBatch]":
        import onnxruntime
        import pyarrow

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # Spark keeps the other cores busy with other tasks
        session = onnxruntime.InferenceSession(network, options, ["CPUExecutionProvider"])
        _, rows, columns = session.get_inputs()[0].shape
        for batch in batches:
            ids, pixels = batch["id"], batch["image"].to_pylist()
            for number, image in zip(ids, pixels, strict=True):
                if image is None or len(image) != rows * columns:
                    size = "no image" if image is None else f"an image of {len(image)} bytes"
                    raise ValueError(
                        f"id {number} has {size}; {rows} × {columns} pixels are "
                        f"{rows * columns} bytes, one each, row by row"
                    )
            images = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, rows, columns)
            (probabilities,) = session.run(None, {"images": images})
            digits = pyarrow.array(probabilities.argmax(axis=1), pyarrow.int32())
            lists = pyarrow.array(list(probabilities), pyarrow.list_(pyarrow.float32()))
            yield pyarrow.RecordBatch.from_arrays(
                [ids, digits, lists], ["id", "digit", "probabilities"]
            )

    return score


def answers(images: "DataFrame", network: bytes) -> "DataFrame":
    """The job itself: a table with `id` and `image` becomes one with the answers."""
    rows = images.selectExpr("cast(id as bigint) as id", "image")
    return rows.mapInArrow(make_scorer(network), SCHEMA)


def main(arguments: list[str] | None = None) -> int:
    """Runs the job. Returns 0 for success, 1 where Spark couldn't do it."""
    parser = argparse.ArgumentParser(
        prog="spark_job.py", description="Read digits with Spark and an exported network."
    )
    parser.add_argument("network", type=Path, help="the mnist.onnx that the export wrote")
    parser.add_argument("images", help="Parquet files: id, image")
    parser.add_argument("answers", help="a folder that isn't there yet")
    options = parser.parse_args(arguments)
    try:
        network = options.network.read_bytes()
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except OSError as error:
        parser.error(f"can't read the network: {error}")
    except ImportError as error:
        parser.error(f"{error}; python -m pip install pyspark pandas pyarrow onnxruntime")
    spark = None  # as it stays without Java
    try:
        spark = SparkSession.builder.appName("mnist").getOrCreate()
        answers(spark.read.parquet(options.images), network).write.parquet(options.answers)
        written = spark.read.parquet(options.answers)
        counts = dict(sorted(written.groupBy("digit").count().collect()))
    except PySparkException as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    finally:
        if spark:
            spark.stop()
    listed = ", ".join(f"{count} × {digit}" for digit, count in counts.items())
    print(f"{sum(counts.values()):,} images read: {listed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
