// Copyright: (c) 2026, jetson.thor contributors
// SPDX-License-Identifier: Apache-2.0
// Takes all of the GPU's memory but as many MiB as the argument says, and holds it until standard input ends.
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>

int main(int argc, char **argv) {
    size_t free_bytes = 0, total = 0;
    void *held = nullptr;
    if (argc != 2 || cudaMemGetInfo(&free_bytes, &total) != cudaSuccess) return 2;
    const size_t left = strtoull(argv[1], nullptr, 10) << 20;
    if (free_bytes <= left || cudaMalloc(&held, free_bytes - left) != cudaSuccess) return 3;
    printf("held %zu of %zu bytes\n", free_bytes - left, total);
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0;
}
