// The clock, and what Adam needs of the number of its step.
//
// Counters are epoch, start, step and row base. D. Kingma, J. Ba, "Adam", 2015, algorithm 1.
#pragma once

constexpr double BETA_1 = 0.9, BETA_2 = 0.999;

// Return 1 - b1^step for place 0 and 1 - b2^step for place 1.
__device__ inline double bias_correction(int place, Index step) {
    const double power = pow(place == 0 ? BETA_1 : BETA_2, double(step));
    return __dadd_rn(1.0, -power);  // never joined with what `pow` does last: the same bits anywhere
}

// Count a step of so many rows, in one block, and write its corrections down: its number,
// 1 - b1^step and 1 - b2^step.
__device__ inline void advance_clock(Index* counters, Index rows, double* corrections) {
    const Index step = counters[STEP] + 1;
    if (threadIdx.x < 2) {
        corrections[1 + threadIdx.x] = bias_correction(threadIdx.x, step);
    }
    __syncthreads();
    if (threadIdx.x > 0) return;
    corrections[0] = double(step);
    counters[START] += rows;
    counters[STEP] = step;
}
