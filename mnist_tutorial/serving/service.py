"""Going further: the exported network as a small HTTP service.

    python -m mnist_tutorial.serving.service mnist.onnx

It needs numpy, pillow, starlette, uvicorn and onnxruntime, but neither JAX nor the rest of this
package. Copied to a server, the file runs by itself. Send it a picture, or JSON:

    curl --data-binary @seven.png -H "Content-Type: image/png" http://127.0.0.1:8000/predict
    curl --json '{"images": [...]}' http://127.0.0.1:8000/predict

A picture of the network's own size is taken as it is, light on black. In any other, for example
of a sheet of paper, the digits are found first. That needs scipy and `further/pictures.py`, which
can be put beside the copied file.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import io
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # what isn't installed with the book is imported where it's needed
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BODY = 1_000_000  # bytes in one request
MAX_IMAGES = 128  # images in one request
MAX_PIXELS = 13_000_000  # pixels in one picture
MAX_BATCH = 256  # images that are scored together
MAX_WAITING = 4_096  # images that can wait; requests beyond that are told to try again later
MAX_CONNECTIONS = 256
BODY_SECONDS = 10  # seconds within which a request must have arrived
STOP_SECONDS = 10  # seconds for the last answers when the service stops


class Refused(Exception):
    """A request is refused, with an HTTP status and what to do about it."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Network:
    """Runs the exported network. Requests that wait at the same time are scored together.

    While one batch is scored, the next one gathers. No request waits for a batch to be full,
    and the busier the service is, the larger the batches are.

    Attributes:
      shape: rows and columns of an image.
      config: the configuration that the network was trained with.
      num_batches, num_images: what has been scored so far.

    Raises:
      ValueError: if the file holds no network that `mnist_tutorial.serving.export` wrote.
    """

    def __init__(self, path: Path, max_batch: int = MAX_BATCH):
        import onnxruntime

        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            (images,) = self._session.get_inputs()
            _, rows, columns = images.shape
            self.shape = (int(rows), int(columns))
            self.config = json.loads(self._session.get_modelmeta().custom_metadata_map["config"])
        except Exception as error:  # ONNX Runtime raises many kinds, with no common base
            raise ValueError(f"{path} holds no exported network ({error})") from None
        self.num_batches = self.num_images = 0
        self._max_batch = max_batch
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[np.ndarray]]] = deque()
        self._num_waiting = 0
        self._arrived = asyncio.Event()

    async def score(self, images: np.ndarray) -> np.ndarray:
        """Computes probabilities, (n, num_classes) float32, of (n, rows, columns) uint8.

        Raises:
          Refused: if too many images are waiting already.
        """
        if self._num_waiting + len(images) > MAX_WAITING:
            raise Refused(503, "too many images are waiting; try again in a second")
        answer: asyncio.Future[np.ndarray] = asyncio.get_running_loop().create_future()
        self._waiting.append((images, answer))
        self._num_waiting += len(images)
        self._arrived.set()
        return await answer

    async def work(self) -> None:
        """Scores the images that wait, batch by batch, until it's cancelled."""
        while True:
            await self._arrived.wait()
            batch = [self._waiting.popleft()]
            size = len(batch[0][0])
            while self._waiting and size + len(self._waiting[0][0]) <= self._max_batch:
                batch.append(self._waiting.popleft())
                size += len(batch[-1][0])
            self._num_waiting -= size
            if not self._waiting:
                self._arrived.clear()
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[np.ndarray, "asyncio.Future[np.ndarray]"]]) -> None:
        images = np.concatenate([images for images, _ in batch])
        try:
            probabilities = await asyncio.to_thread(self._run, images)
        except Exception as error:  # passed on to them; the next batch has its own chance
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        self.num_batches += 1
        self.num_images += len(images)
        ends = np.cumsum([len(images) for images, _ in batch])[:-1]
        for (_, answer), rows in zip(batch, np.split(probabilities, ends), strict=True):
            if not answer.done():  # unless the client has gone
                answer.set_result(rows)

    def _run(self, images: np.ndarray) -> np.ndarray:
        return np.asarray(self._session.run(None, {"images": images})[0])


def read_json(body: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Reads the images in `{"images": [[[0, 12, ...], ...], ...]}`, (n, rows, columns) uint8.

    Raises:
      Refused: if the body is something else; the message says what and where.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body isn't valid JSON: {error}") from None
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise Refused(422, 'send {"images": [...]} with at least one image')
    if len(images) > MAX_IMAGES:
        raise Refused(413, f"{len(images)} images; send at most {MAX_IMAGES} at a time")
    rows, columns = shape
    for i, image in enumerate(images):
        if not isinstance(image, list) or len(image) != rows:
            raise Refused(422, f"images[{i}] must be a list of {rows} rows")
        for r, row in enumerate(image):
            if not isinstance(row, list) or len(row) != columns:
                raise Refused(422, f"images[{i}][{r}] must be a list of {columns} pixels")
            for c, pixel in enumerate(row):
                if type(pixel) is not int or not 0 <= pixel <= 255:
                    raise Refused(
                        422,
                        f"images[{i}][{r}][{c}] is {_short(pixel)}; pixels are whole numbers "
                        "from 0, background, to 255, full ink",
                    )
    return np.array(images, np.uint8)


PICTURES = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
GREY = ("L", "LA", "P", "PA", "RGB", "RGBA")  # modes that become 8-bit grey without a choice


def read_picture(body: bytes, shape: tuple[int, int]) -> tuple[np.ndarray, list[list[int]] | None]:
    """Reads the images in a picture, (n, rows, columns) uint8, and where in it each was found.

    Returns:
      One image and None for a picture of exactly that size; for any other, the digits found in
      it and the left, top, right and bottom of each, in pixels of the picture held upright.

    Raises:
      Refused: if it isn't a picture, is too large, or has no digit.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(body), formats=PICTURES) as image:  # reads the header only
            if image.size == shape[::-1] and image.mode in GREY:
                paper = Image.new("RGBA", image.size, "black")
                flat = Image.alpha_composite(paper, image.convert("RGBA"))
                return np.array(flat.convert("L"))[None], None
            too_large = image.width * image.height > MAX_PIXELS
    except Image.DecompressionBombError:
        too_large = True
    except Exception as error:  # a made-up file can raise anything
        raise Refused(400, f"the body isn't a whole picture: {error}") from None
    if too_large:
        raise Refused(413, f"the picture has more than {MAX_PIXELS:,} pixels; make it smaller")
    if shape != (28, 28):
        raise Refused(422, f"the network needs pictures of {shape[::-1]} pixels")
    pictures = _pictures()
    try:
        picture = pictures.open_picture(body)
    except ValueError as error:
        raise Refused(400, f"the body isn't a whole picture: {error}") from None
    try:
        digits = [digit for row in pictures.find_digits(picture) for digit in row]
    except ValueError as error:
        raise Refused(422, f"the picture: {error}") from None
    if len(digits) > MAX_IMAGES:
        raise Refused(413, f"{len(digits)} digits; send at most {MAX_IMAGES} at a time")
    return np.stack([digit.image for digit in digits]), [list(digit.box) for digit in digits]


def _pictures() -> Any:
    """Imports the module that finds digits: the package's, or the one beside this file."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("mnist_tutorial.further.pictures")
    with contextlib.suppress(ImportError, FileNotFoundError):
        path = Path(__file__).with_name("pictures.py")
        spec = importlib.util.spec_from_file_location("pictures", path)
        assert spec and spec.loader
        beside = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(beside)
        return beside
    raise Refused(
        501, "this server takes only pictures of 28 x 28 pixels; it lacks scipy or pictures.py"
    )


KINDS = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif")


async def read_body(request: "Request") -> bytes:
    """Reads the request's body.

    Raises:
      Refused: if it's larger than `MAX_BODY`, slower than `BODY_SECONDS`, or incomplete.
    """
    from starlette.requests import ClientDisconnect

    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise Refused(413, f"the body is larger than {MAX_BODY:,} bytes")
    except TimeoutError:
        raise Refused(408, f"the body took longer than {BODY_SECONDS} seconds") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    return bytes(body)


def make_app(path: Path, max_batch: int = MAX_BATCH) -> "Starlette":
    """Makes the service around an exported network, as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    network = Network(path, max_batch)
    one_picture = asyncio.Lock()  # at a time; a large one takes a second and some memory

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        worker = asyncio.create_task(network.work())
        yield  # ends when all requests are answered
        worker.cancel()

    async def predict(request: "Request") -> "Response":
        kind = request.headers.get("content-type", "nothing").split(";")[0].strip().lower()
        boxes = None
        if kind == "application/json":
            images = read_json(await read_body(request), network.shape)
        elif kind in KINDS:
            body = await read_body(request)
            async with one_picture:
                images, boxes = await asyncio.to_thread(read_picture, body, network.shape)
        else:
            raise Refused(
                415,
                f"Content-Type is {_short(kind)}; send application/json or a picture (image/png)",
            )
        probabilities = await network.score(images)
        answer = {
            "digits": probabilities.argmax(axis=1).tolist(),
            "probabilities": np.round(probabilities.astype(float), 6).tolist(),
        }
        return JSONResponse(answer if boxes is None else answer | {"boxes": boxes})

    async def health(request: "Request") -> "Response":
        return JSONResponse(
            {
                "status": "ok",
                "config": network.config,
                "batches": network.num_batches,
                "images": network.num_images,
            }
        )

    async def refuse(request: "Request", error: Exception) -> "Response":
        assert isinstance(error, Refused)
        headers = {"Retry-After": "1"} if error.status == 503 else None
        return JSONResponse({"error": str(error)}, error.status, headers)

    async def http_error(request: "Request", error: Exception) -> "Response":
        assert isinstance(error, HTTPException)
        return JSONResponse(
            {"error": f"{error.detail}; POST images to /predict, or GET /health"},
            error.status_code,
            error.headers,
        )

    return Starlette(
        routes=[
            Route("/predict", predict, methods=["POST"]),
            Route("/health", health, methods=["GET"]),
        ],
        lifespan=lifespan,
        exception_handlers={Refused: refuse, HTTPException: http_error},
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or Ctrl-C, and first answers the requests that are under way."""
    parser = argparse.ArgumentParser(
        prog="python -m mnist_tutorial.serving.service", description="Serve an exported network."
    )
    parser.add_argument("network", type=Path, help="the mnist.onnx file that the export wrote")
    help = "where to listen (default: %(default)s, for this machine only)"
    parser.add_argument("--host", default="127.0.0.1", help=help)
    help = "where to listen (default: %(default)s; 0 takes any free port)"
    parser.add_argument("--port", type=int, default=8000, help=help)
    help = "how many images are scored together at most (default: %(default)s)"
    parser.add_argument("--max-batch", type=int, default=MAX_BATCH, help=help)
    options = parser.parse_args(arguments)
    try:
        import uvicorn

        app = make_app(options.network, options.max_batch)
    except ImportError as error:
        parser.error(f"{error}; use python -m pip install starlette uvicorn onnxruntime pillow")
    except ValueError as error:
        parser.error(str(error))
    for number in (signal.SIGINT, signal.SIGTERM):  # raised again when all is answered
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
