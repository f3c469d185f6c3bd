"""The service as a process of its own, asked over loopback; its parts where that is surer."""

import asyncio
import io
import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image

from mnist_tutorial.further import pictures
from mnist_tutorial.further.handwriting import Scene, encoded, picture
from mnist_tutorial.serving import service
from mnist_tutorial.serving.service import MAX_BODY, MAX_IMAGES, MAX_WAITING, Network, Refused

# On a server there is the file, with `pictures.py` beside it and without what trained the network.
ALONE = """
import runpy, sys
for name in ("jax", "flax", "mnist_tutorial"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
JSON, PNG = {"Content-Type": "application/json"}, {"Content-Type": "image/png"}


class Server:
    """A running service and its address."""

    def __init__(self, folder, model):
        copy = shutil.copy(service.__file__, folder)
        shutil.copy(pictures.__file__, folder)
        command = [sys.executable, "-c", ALONE, copy, str(model), "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = re.search(r"http://\S+", self.wait_for("running on"))[0]
        self.port = int(self.address.rsplit(":", 1)[1])

    def wait_for(self, words):
        for line in self.process.stderr:
            if words in line:
                return line
        raise AssertionError(f"the service ended without saying {words!r}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()
        return self.process.returncode


@pytest.fixture(scope="module")
def server(network, tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"), network.onnx)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.address, timeout=60) as open_client:
        yield open_client


def png(image, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", **options)
    return file.getvalue()


def blank(n=1):
    return np.zeros((n, 28, 28), int).tolist()


def changed(*place_and_value):
    """One blank image with something else in one place."""
    images = blank()
    *place, last, value = place_and_value
    part = images
    for index in place:
        part = part[index]
    part[last] = value
    return json.dumps({"images": images})


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def header(width, height):
    bits = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + bits


def test_json_and_png_get_the_networks_own_answers(client, network):
    some = network.images[:MAX_IMAGES]
    answer = client.post("/predict", json={"images": some.tolist()})
    assert answer.status_code == 200
    expected = network.probabilities[:MAX_IMAGES]
    assert answer.json()["digits"] == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(answer.json()["probabilities"], expected, atol=1e-5)
    for image, probabilities in zip(some[:5], expected[:5], strict=True):
        answer = client.post("/predict", content=png(image), headers=PNG)
        np.testing.assert_allclose(answer.json()["probabilities"], [probabilities], atol=1e-5)


def test_what_the_page_saves_is_taken_and_digits_on_paper_are_found(network):
    image = network.images[0]
    opaque = np.dstack([image] * 3 + [np.full((28, 28), 255, np.uint8)])
    same, boxes = service.read_picture(png(opaque), (28, 28))
    assert np.array_equal(same, image[None]) and boxes is None
    page, places = picture("40 7", Scene(paper=(205, 202, 196), shade=0.4, noise=4))
    found, boxes = service.read_picture(encoded(page, "JPEG", quality=92), (28, 28))
    assert found.shape == (3, 28, 28) and np.abs(np.array(boxes) - places).max() < 20


def test_a_sheet_of_paper_is_read(client):
    page, _ = picture("27", Scene(paper=(205, 202, 196), shade=0.4, noise=4))
    body, kind = encoded(page, "JPEG", quality=92), {"Content-Type": "image/jpeg"}
    answer = client.post("/predict", content=body, headers=kind)
    assert answer.json()["digits"] == [2, 7] and len(answer.json()["boxes"]) == 2


def test_without_pictures_the_file_alone_says_what_it_lacks(tmp_path):
    shutil.copy(service.__file__, tmp_path / "alone.py")
    program = (
        "import runpy, sys; sys.modules['mnist_tutorial'] = None\n"
        f"parts = runpy.run_path({str(tmp_path / 'alone.py')!r})\n"
        "try: parts['_pictures']()\n"
        "except parts['Refused'] as refused: print(refused.status, refused)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert re.match("501 .*only.* 28 x 28 pixels", said.stdout), said


def test_all_test_images_through_the_service(client, network):
    digits = []
    for start in range(0, 10_000, MAX_IMAGES):
        images = network.images[start : start + MAX_IMAGES].tolist()
        digits += client.post("/predict", json={"images": images}).json()["digits"]
    assert digits == network.probabilities.argmax(axis=1).tolist()


def test_health_tells_what_is_served(client, network):
    answer = client.get("/health")
    assert answer.status_code == 200 and answer.json()["status"] == "ok"
    assert answer.json()["config"]["hidden_units"] == network.config.hidden_units
    assert answer.json()["images"] >= answer.json()["batches"] >= 0


@pytest.mark.parametrize(
    "body, status, words",
    [
        ("", 400, "the body isn't valid JSON"),
        ("{", 400, "the body isn't valid JSON"),
        (b"\xff\xfe\x00", 400, "the body isn't valid JSON"),
        ("[" * 400_000, 400, "the body isn't valid JSON"),
        ('{"images": ' + "9" * 5000 + "}", 400, "the body isn't valid JSON"),
        ("[]", 422, 'send {"images": [...]}'),
        ('{"images": []}', 422, "at least one image"),
        ('{"images": {"0": 1}}', 422, 'send {"images": [...]}'),
        ('{"pictures": [[[0]]]}', 422, 'send {"images": [...]}'),
        ('{"images": [[[0]]]}', 422, "images[0] must be a list of 28 rows"),
        ('{"images": ["' + "0" * 28 + '"]}', 422, "images[0] must be a list of 28 rows"),
        (changed(0, 27, [0] * 27), 422, "images[0][27] must be a list of 28 pixels"),
        (changed(0, 5, "a row"), 422, "images[0][5] must be a list of 28 pixels"),
        (changed(0, 3, 4, 256), 422, "images[0][3][4] is 256; pixels are whole numbers from 0"),
        (changed(0, 3, 4, -1), 422, "images[0][3][4] is -1; pixels"),
        (changed(0, 3, 4, 0.5), 422, "images[0][3][4] is 0.5; pixels"),
        (changed(0, 3, 4, "7"), 422, "images[0][3][4] is '7'; pixels"),
        (changed(0, 3, 4, None), 422, "images[0][3][4] is None; pixels"),
        (changed(0, 3, 4, True), 422, "images[0][3][4] is True; pixels"),
        (changed(0, 3, 4, float("nan")), 422, "images[0][3][4] is nan; pixels"),
        (changed(0, 3, 4, float("inf")), 422, "images[0][3][4] is inf; pixels"),
        (changed(0, 3, 4, "x" * 900), 422, "xxx…; pixels"),
        (changed(0, 3, 4, [0]), 422, "images[0][3][4] is [0]; pixels"),
        (json.dumps({"images": blank(MAX_IMAGES + 1)}), 413, "129 images; send at most 128"),
        (" " * (MAX_BODY + 1), 413, "the body is larger than 1,000,000 bytes"),
    ],
)
def test_json_that_is_no_image_is_refused(client, body, status, words):
    answer = client.post("/predict", content=body, headers=JSON)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text
    assert len(answer.content) < 300


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"", 400, "isn't a whole picture"),
        (b"\x89PNG\r\n\x1a\n", 400, "isn't a whole picture"),
        (b"GIF89a" + b"\x00" * 100, 400, "isn't a whole picture"),
        (png(np.zeros((28, 28), np.uint8))[:-30], 400, "isn't a whole picture"),
        (png(np.zeros((27, 28), np.uint8)), 422, "the picture: no ink on it"),
        (png(np.zeros((28, 28), np.uint16)), 422, "the picture: no ink on it"),
        # Images that would take gigabytes, and a text that would.
        (header(12_000, 12_000) + chunk(b"IDAT", b""), 413, "more than 13,000,000 pixels"),
        (header(60_000, 60_000) + chunk(b"IDAT", b""), 413, "more than 13,000,000 pixels"),
        (
            header(28, 28) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9)),
            400,
            "isn't a whole picture",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_picture_of_digits_is_refused(client, body, status, words):
    answer = client.post("/predict", content=body, headers=PNG)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_a_png_that_holds_more_than_its_size_says_is_not_unpacked():
    flood = zlib.compress(bytes(500_000_000), 9)
    body = header(28, 28) + chunk(b"IDAT", flood) + chunk(b"IEND", b"")
    assert len(body) < MAX_BODY
    import tracemalloc

    tracemalloc.start()
    try:
        service.read_picture(body, (28, 28))
    except Refused:
        pass
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_damaged_pngs_are_answered_or_refused_and_nothing_else(network):
    whole = png(network.images[0])
    rng = np.random.default_rng(0)
    for _ in range(3000):
        body = bytearray(whole)
        for place in rng.integers(0, len(body), rng.integers(1, 4)):
            body[place] = rng.integers(0, 256)
        try:
            found, _ = service.read_picture(bytes(body[: rng.integers(1, 2 * len(body))]), (28, 28))
        except Refused as refused:
            assert refused.status in (400, 413, 422)
        else:
            assert found.shape[1:] == (28, 28) and found.dtype == np.uint8


@pytest.mark.parametrize(
    "method, path, headers, status, words",
    [
        ("POST", "/predict", {"Content-Type": "text/plain"}, 415, "Content-Type is 'text/plain'"),
        ("POST", "/predict", {}, 415, "send application/json or a picture"),
        ("GET", "/predict", {}, 405, "POST images to /predict"),
        ("DELETE", "/health", {}, 405, "GET /health"),
        ("GET", "/", {}, 404, "POST images to /predict"),
    ],
)
def test_what_is_not_served_is_said(client, method, path, headers, status, words):
    answer = client.request(method, path, headers=headers)
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


def test_many_at_once_each_get_their_own_answer(client, server, network):
    expected = network.probabilities.argmax(axis=1)

    def ask(i):
        images = network.images[i : i + 1 + i % 3].tolist()
        answer = httpx.post(f"{server.address}/predict", json={"images": images}, timeout=60)
        return answer.json()["digits"] == expected[i : i + 1 + i % 3].tolist()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))
    assert client.get("/health").json()["status"] == "ok"


def test_a_client_that_goes_away_harms_nobody(client, server, network):
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            b"Content-Length: 999\r\nExpect: 100-continue\r\n\r\n"
        )
        assert b"100 Continue" in half.recv(1000)
    with socket.create_connection(("127.0.0.1", server.port)) as nonsense:
        nonsense.sendall(b"\x00\x01\x02 no HTTP at all\r\n\r\n")
        assert b"400" in nonsense.recv(1000)
    answer = client.post("/predict", content=png(network.images[0]), headers=PNG)
    assert answer.status_code == 200


def test_a_stop_waits_for_the_request_under_way(network, tmp_path):
    server = Server(tmp_path, network.onnx)
    body = png(network.images[0])
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as under_way:
        under_way.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body)
        )
        assert b"100 Continue" in under_way.recv(1000)  # so it has begun
        under_way.sendall(body[:100])
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("Waiting for")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        under_way.sendall(body[100:])
        answer = b"".join(iter(lambda: under_way.recv(10_000), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    digits = json.loads(answer.split(b"\r\n\r\n", 1)[1])["digits"]
    assert digits == [network.probabilities[0].argmax()]
    server.process.communicate()
    assert server.process.returncode == 0


async def waiting(network, sizes, images):
    """Requests of these sizes, all waiting before the first batch is made."""
    starts = np.cumsum([0, *sizes])
    tasks = [
        asyncio.create_task(network.score(images[start : start + size]))
        for start, size in zip(starts, sizes, strict=False)
    ]
    await asyncio.sleep(0)  # lets each of them begin
    return tasks


def test_what_waits_is_scored_together_and_gets_the_same_answers_as_alone(network):
    async def run():
        served = Network(network.onnx, max_batch=50)
        sizes = [1, 7, 30, 12, 20, 128, 3, 1]
        tasks = await waiting(served, sizes, network.images)
        worker = asyncio.create_task(served.work())
        answers = await asyncio.gather(*tasks)
        worker.cancel()
        # 1+7+30+12 fill the first batch; 128 are more than a batch and go alone.
        assert (served.num_batches, served.num_images) == (4, 202)
        return answers

    answers = asyncio.run(run())
    assert [len(answer) for answer in answers] == [1, 7, 30, 12, 20, 128, 3, 1]
    np.testing.assert_allclose(np.concatenate(answers), network.probabilities[:202], atol=1e-5)


def test_a_crowd_is_told_to_come_again(network):
    async def run():
        served = Network(network.onnx)
        tasks = await waiting(served, [MAX_WAITING], network.images)
        with pytest.raises(Refused, match="try again") as refused:
            await served.score(network.images[:1])
        assert refused.value.status == 503
        worker = asyncio.create_task(served.work())
        assert len(await tasks[0]) == MAX_WAITING
        assert len(await served.score(network.images[:MAX_WAITING])) == MAX_WAITING
        worker.cancel()

    asyncio.run(run())


def test_a_batch_that_fails_does_not_take_the_service_with_it(network, monkeypatch):
    async def run():
        served = Network(network.onnx)
        right = served._run

        def fails_once(images):
            monkeypatch.setattr(served, "_run", right)
            raise RuntimeError("out of memory")

        monkeypatch.setattr(served, "_run", fails_once)
        tasks = await waiting(served, [1, 2], network.images)
        worker = asyncio.create_task(served.work())
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(error) for error in errors] == ["out of memory"] * 2
        assert len(await served.score(network.images[:3])) == 3
        worker.cancel()

    asyncio.run(run())


def test_who_asked_and_left_is_no_trouble(network):
    async def run():
        served = Network(network.onnx)
        tasks = await waiting(served, [1, 2], network.images)
        tasks[0].cancel()
        worker = asyncio.create_task(served.work())
        assert len(await tasks[1]) == 2
        assert len(await served.score(network.images[:3])) == 3
        worker.cancel()

    asyncio.run(run())


def test_a_body_that_never_ends_is_refused(monkeypatch):
    class Endless:
        async def stream(self):
            yield b"{"
            await asyncio.Event().wait()

    monkeypatch.setattr(service, "BODY_SECONDS", 0.01)
    with pytest.raises(Refused, match="took longer than 0.01 seconds") as refused:
        asyncio.run(service.read_body(Endless()))
    assert refused.value.status == 408


@pytest.mark.parametrize("content", [None, b"", b"no graph", "other"])
def test_a_file_that_is_no_exported_network_is_refused_at_once(tmp_path, capsys, content):
    path = tmp_path / "other.onnx"
    if content == "other":
        from onnx import TensorProto, helper

        value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])], "other", [value], [result]
        )
        opset = [helper.make_opsetid("", 17)]
        content = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as left:
        service.main([str(path)])
    assert left.value.code == 2
    assert "other.onnx holds no exported network" in capsys.readouterr().err.splitlines()[-1]


def test_without_its_packages_it_says_how_to_get_them(network, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit):
        service.main([str(network.onnx)])
    assert "python -m pip install starlette uvicorn onnxruntime" in capsys.readouterr().err
