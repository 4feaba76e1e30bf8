"""Forms in which an adapter leaves: merged into its base, quantized, as ONNX. Each is compared with the adapter before it is kept."""
