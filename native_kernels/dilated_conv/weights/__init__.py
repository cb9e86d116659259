"""The gradient of a convolution's weights and bias."""
