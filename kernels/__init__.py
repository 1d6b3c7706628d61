"""CUDA C++ sources; `gpuae.backends.cuda_kernels` lists the kernels in them."""
