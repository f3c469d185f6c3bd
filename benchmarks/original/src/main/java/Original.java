import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.deeplearning4j.datasets.iterator.impl.MnistDataSetIterator;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.weights.WeightInit;
import org.nd4j.evaluation.classification.Evaluation;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.dataset.api.iterator.DataSetIterator;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Nesterovs;
import org.nd4j.linalg.learning.regularization.L2Regularization;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;
import org.nd4j.shade.jackson.databind.ObjectMapper;

/** Trains the tutorial's network with Deeplearning4j and prints what it measured as JSON. */
public class Original {
    public static void main(String[] arguments) throws Exception {
        final int numRows = 28;
        final int numColumns = 28;
        int outputNum = 10;
        int batchSize = 128;
        int rngSeed = Integer.getInteger("rngSeed", 123);
        int numEpochs = Integer.getInteger("numEpochs", 15);
        int numExamples = Integer.getInteger("numExamples", 60_000);

        DataSetIterator mnistTrain = new MnistDataSetIterator(batchSize, true, rngSeed);
        if (numExamples < 60_000) {
            mnistTrain = new MnistDataSetIterator(
                batchSize, numExamples, false, true, true, rngSeed);
        }
        DataSetIterator mnistTest = new MnistDataSetIterator(batchSize, false, rngSeed);

        MultiLayerConfiguration conf = new NeuralNetConfiguration.Builder()
            .seed(rngSeed)
            .updater(new Nesterovs(0.006, 0.9))
            .l2(1e-4)
            .list()
            .layer(0, new DenseLayer.Builder()
                .nIn(numRows * numColumns)
                .nOut(1000)
                .activation(Activation.RELU)
                .weightInit(WeightInit.XAVIER)
                .build())
            .layer(1, new OutputLayer.Builder(LossFunction.NEGATIVELOGLIKELIHOOD)
                .nIn(1000)
                .nOut(outputNum)
                .activation(Activation.SOFTMAX)
                .weightInit(WeightInit.XAVIER)
                .build())
            .build();
        MultiLayerNetwork model = new MultiLayerNetwork(conf);
        model.init();

        List<Double> seconds = new java.util.ArrayList<>();
        for (int epoch = 0; epoch < numEpochs; epoch++) {
            long start = System.nanoTime();
            model.fit(mnistTrain);
            seconds.add((System.nanoTime() - start) / 1e9);
        }
        Evaluation evaluation = model.evaluate(mnistTest);

        // The iterator above deals the test images in a random order; this one keeps the file's.
        StringBuilder answers = new StringBuilder();
        DataSetIterator ordered =
            new MnistDataSetIterator(batchSize, 10_000, false, false, false, rngSeed);
        while (ordered.hasNext()) {
            for (int answer : model.predict(ordered.next().getFeatures())) {
                answers.append(answer);
            }
        }

        // The settings are read back from what was built, not repeated.
        DenseLayer hidden = (DenseLayer) conf.getConf(0).getLayer();
        Nesterovs updater = (Nesterovs) hidden.getIUpdater();
        Map<String, Object> settings = new java.util.LinkedHashMap<>();
        settings.put("numRows", numRows);
        settings.put("numColumns", numColumns);
        settings.put("outputNum", outputNum);
        settings.put("batchSize", batchSize);
        settings.put("numEpochs", numEpochs);
        settings.put("rngSeed", conf.getConf(0).getSeed());
        settings.put("nOut", hidden.getNOut());
        settings.put("list", conf.getConfs().size() - 1);
        settings.put("activation", hidden.getActivationFn().toString());
        settings.put("weightInit", hidden.getWeightInitFn().getClass().getSimpleName());
        settings.put("learningRate", updater.getLearningRate());
        settings.put("momentum", updater.getMomentum());
        settings.put("NESTEROVS", updater.getClass().getSimpleName());
        settings.put("l2",
            ((L2Regularization) hidden.getRegularization().get(0)).getL2().valueAt(0, 0));

        Map<String, Object> result = new java.util.LinkedHashMap<>();
        result.put("settings", settings);
        result.put("epoch_seconds", seconds);
        result.put("accuracy", evaluation.accuracy());
        result.put("precision", evaluation.precision());
        result.put("recall", evaluation.recall());
        result.put("f1", evaluation.f1());
        result.put("confusion_matrix", IntStream.range(0, outputNum).mapToObj(
            truth -> IntStream.range(0, outputNum).map(
                answer -> evaluation.getConfusionMatrix().getCount(truth, answer)
            ).toArray()).toArray());
        result.put("answers", answers.toString());
        result.put("num_parameters", model.numParams());
        result.put("java", System.getProperty("java.version"));
        var environment = Nd4j.getExecutioner().getEnvironmentInformation();
        result.put("threads", environment.get("omp.threads"));
        result.put("blas", environment.get("blas.vendor"));
        result.put("heap_bytes", Runtime.getRuntime().maxMemory());
        result.put("native_bytes", Pointer.maxBytes());
        result.put("process_bytes", Pointer.maxPhysicalBytes());
        System.out.println(new ObjectMapper().writeValueAsString(result));
    }
}
