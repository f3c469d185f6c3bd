"""Going further: a stream that answers each image exactly once, from one Kafka topic to another.

    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13:4.2.0 \\
      stream_job.py mnist.onnx BROKER CHECKPOINT

A message in `images` has one byte a pixel, row by row. Its answer, in `answers`, has its key, the
digit and the confidence. A message of another size is sent to `dead-letters`, with the reason.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mnist_tutorial.serving.spark_job import make_scorer

MAX_BATCH = 1_000  # images that are answered at a time
NAME, IMAGES, ANSWERS, DEAD_LETTERS = "mnist", "images", "answers", "dead-letters"
SCHEMA = (
    "id struct<partition:int, offset:bigint, key:binary>, digit int, probabilities array<float>"
)


def make_writer(network: bytes, broker: str) -> Callable[[Any, int], None]:
    """Returns what answers a batch of Spark's stream.

    Spark repeats a batch that a killed run may have answered. So one transaction of Kafka's holds
    the answers and the place that they reach in `images`, and what lies before it is left out.
    """
    # What isn't installed with the book is imported where it is needed.
    from confluent_kafka import Consumer, Producer, TopicPartition
    from onnxruntime import InferenceSession

    _, rows, columns = InferenceSession(network).get_inputs()[0].shape
    fits = f"coalesce(length(image), 0) = {rows * columns}"
    producer = Producer({"bootstrap.servers": broker, "transactional.id": NAME})
    producer.init_transactions()  # ends what a killed run began, which can write no more
    keeper = Consumer(
        {"bootstrap.servers": broker, "group.id": NAME}
    )  # of the place; reads nothing

    def write(batch: Any, _: int) -> None:
        images = batch.selectExpr("struct(partition, offset, key) as id", "value as image")
        answers = images.where(fits).mapInArrow(make_scorer(network), SCHEMA)
        found = answers.unionByName(images.where(f"not {fits}"), allowMissingColumns=True).collect()
        places = [TopicPartition(IMAGES, each) for each in {row.id.partition for row in found}]
        reached = {place.partition: place.offset for place in keeper.committed(places)}
        producer.begin_transaction()
        found.sort(key=lambda row: row.id)
        for (partition, offset, key), digit, probabilities, image in found:
            if offset < reached[partition]:  # which is below 0 at first
                continue
            reached[partition] = offset + 1
            if digit is None:
                reason = f"{len(image or b'')} bytes, not {rows} × {columns}"
                producer.produce(DEAD_LETTERS, image, key, headers={"reason": reason})
            else:
                answer = {"digit": digit, "confidence": round(probabilities[digit], 6)}
                producer.produce(ANSWERS, json.dumps(answer), key)
        places = [TopicPartition(IMAGES, *place) for place in reached.items()]
        producer.send_offsets_to_transaction(places, keeper.consumer_group_metadata())
        producer.commit_transaction()

    return write


def main() -> None:
    """Runs the stream until it is ended."""
    parser = argparse.ArgumentParser(prog="stream_job.py", description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="the mnist.onnx that the export wrote")
    parser.add_argument("broker", help="Kafka's address, such as 127.0.0.1:9092")
    parser.add_argument("checkpoint", help="the folder where Spark notes how far it got")
    options = parser.parse_args()
    from pyspark.sql import SparkSession

    kafka: dict[str, Any] = {"subscribe": IMAGES, "startingOffsets": "earliest"}
    kafka |= {"kafka.bootstrap.servers": options.broker, "maxOffsetsPerTrigger": MAX_BATCH}
    spark = SparkSession.builder.appName(NAME).getOrCreate()
    stream = spark.readStream.format("kafka").options(**kafka).load().writeStream
    stream = stream.foreachBatch(make_writer(options.network.read_bytes(), options.broker))
    stream.start(checkpointLocation=options.checkpoint).awaitTermination()


if __name__ == "__main__":
    main()
