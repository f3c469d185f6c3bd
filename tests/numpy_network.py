"""The tutorial's network in float64 NumPy, written from the formulas: a reference."""

import numpy as np


class NumpyNetwork:
    """One hidden ReLU layer, softmax cross-entropy, L2 on weights, Nesterov momentum."""

    def __init__(self, w1, b1, w2, b2, learning_rate, momentum, l2, nesterov=True):
        self.parameters = [np.asarray(p, np.float64) for p in (w1, b1, w2, b2)]
        self.velocity = [np.zeros_like(p) for p in self.parameters]
        self.learning_rate, self.momentum, self.l2 = learning_rate, momentum, l2
        self.nesterov = nesterov

    def logits(self, images):
        w1, b1, w2, b2 = self.parameters
        x = images.reshape(len(images), -1) / 255.0
        return np.maximum(x @ w1 + b1, 0) @ w2 + b2

    def loss(self, images, labels):
        """Mean cross-entropy, without the penalty."""
        logits = self.logits(images)
        top = logits.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
        return np.mean(log_sum - logits[np.arange(len(labels)), labels])

    def gradients(self, images, labels):
        w1, b1, w2, b2 = self.parameters
        x = images.reshape(len(images), -1) / 255.0
        before = x @ w1 + b1
        hidden = np.maximum(before, 0)
        logits = hidden @ w2 + b2
        error = np.exp(logits - logits.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        back = (error @ w2.T) * (before > 0)
        return [
            x.T @ back + self.l2 * w1,
            back.sum(axis=0),
            hidden.T @ error + self.l2 * w2,
            error.sum(axis=0),
        ]

    def update(self, images, labels):
        """v ← μ·v + g, then θ ← θ − η·(g + μ·v), or θ − η·v without Nesterov."""
        for i, g in enumerate(self.gradients(images, labels)):
            self.velocity[i] = self.momentum * self.velocity[i] + g
            step = g + self.momentum * self.velocity[i] if self.nesterov else self.velocity[i]
            self.parameters[i] = self.parameters[i] - self.learning_rate * step
