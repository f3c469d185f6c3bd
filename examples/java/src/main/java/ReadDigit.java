import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.TensorInfo;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import javax.imageio.ImageIO;

/** Reads PNGs with the exported network: prints each digit with its ten probabilities. */
public class ReadDigit {
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 2) {
            throw new IllegalArgumentException("give mnist.onnx and a PNG, or a folder of PNGs");
        }
        var environment = OrtEnvironment.getEnvironment();
        try (var session = environment.createSession(arguments[0]);
                var files = Files.walk(Path.of(arguments[1]))) {
            var input = (TensorInfo) session.getInputInfo().get("images").getInfo();
            long[] shape = {1, input.getShape()[1], input.getShape()[2]};
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                ByteBuffer pixels = read(file, (int) shape[1], (int) shape[2]);
                try (var image = OnnxTensor.createTensor(
                                environment, pixels, shape, OnnxJavaType.UINT8);
                        var results = session.run(Map.of("images", image))) {
                    float[] probabilities = ((float[][]) results.get(0).getValue())[0];
                    int digit = 0;
                    for (int i = 1; i < probabilities.length; i++) {
                        digit = probabilities[i] > probabilities[digit] ? i : digit;
                    }
                    System.out.printf("%s %d %s%n", file, digit, Arrays.toString(probabilities));
                }
            }
        }
    }

    /** Returns the bytes as stored. (getRGB would brighten them, as Java's own grey is linear.) */
    private static ByteBuffer read(Path file, int rows, int columns) throws IOException {
        BufferedImage image = null;
        try {
            image = ImageIO.read(file.toFile());
        } catch (IOException broken) { // is told below
        }
        if (image == null || image.getType() != BufferedImage.TYPE_BYTE_GRAY
                || image.getHeight() != rows || image.getWidth() != columns) {
            throw new IOException(file + " is not an 8-bit grey PNG of the network's size");
        }
        var raster = image.getRaster();
        return ByteBuffer.wrap((byte[]) raster.getDataElements(0, 0, columns, rows, null));
    }
}
