// Over flat vectors of parameters, and the clock.
//
//   adam          g' = g + decay w; first = b1 first + (1 - b1) g'; second = b2 second + (1 - b2) g'^2;
//                 w -= rate (first / (1 - b1^t)) / (sqrt(second / (1 - b2^t)) + epsilon), t = step
//   sgd           velocity = momentum velocity - rate (g + decay w); w += velocity
//                 in both, decay is of the first `decayed` only, and squares[t] = the sum over tile t
//                 of their w^2 before the step, in double
//   axpby         y = alpha x + beta y; with beta = 0 the old y is not read
//   to_bfloat16   y = the upper half of the bits of x, rounded to nearest, ties to even; NaN stays NaN
//   fill          x = value
//   start_epoch   counters = epoch, start 0, step as it was, row base; rate[0] = rate
//   advance       start += rows, step += 1, and what `advance_clock` says
//
// Shapes: w, g, first, second, velocity, x, y (count,); squares (tiles,) or null; counters (4,),
// rate (1,); known, corrections (3,): the number of a step and what Adam divides by in it.
// Step and learning rate are read from the device, so that a captured launch can be replayed; each
// vector is read once and written once. D. Kingma, J. Ba, "Adam", 2015.
#include "device.cuh"
#include "activations.cuh"
#include "clock.cuh"

// A block's part of a vector: tiles of `tile` elements, a multiple of what it takes at once, which
// depends on the vector's length alone and so do the partial sums.
struct Part {
    Index first, end;
};

__device__ inline Part part_of(Index number, Index tile, Index count) {
    return {number * tile, smaller(count, (number + 1) * tile)};
}

// The sum of squares of those of four weights at `at` that are among the first `decayed`.
template <typename Real>
__device__ inline double squares_of(const Quad<Real>& weights, Index at, Index decayed) {
    double sum = 0.0;
    for (int j = 0; j < QUAD; ++j) {
        if (at + j < decayed) sum += double(weights.at[j]) * double(weights.at[j]);
    }
    return sum;
}

// Write a tile's partial sum where they are wanted. All threads of the block must come here.
__device__ inline void store_squares(double sum, double* squares, Index tile) {
    if (squares == nullptr) return;
    sum = block_sum(sum);
    if (threadIdx.x == 0) squares[tile] = sum;
}

template <typename Real>
__global__ void adam(
    Real* w, const Real* g, Real* first, Real* second, const Index* counters, const double* rate,
    const double* known, Real decay, Index decayed, double* squares, Index tile, Index count
) {
    constexpr double EPSILON = 1e-8;
    double* corrections = shared_memory + WARPS;  // behind what block_sum takes
    if (threadIdx.x < 2) {
        const int place = threadIdx.x;
        const Index step = counters[STEP];
        const bool is_known = known[0] == double(step);
        corrections[place] = is_known ? known[1 + place] : bias_correction(place, step);
    }
    __syncthreads();
    const Real correction_1 = Real(corrections[0]), correction_2 = Real(corrections[1]);
    const Real speed = Real(*rate);
    const bool aligned = in_quads(QUAD, w, g, first, second);
    for (Index i = blockIdx.x; i < groups_of(count, tile); i += gridDim.x) {
        const Part part = part_of(i, tile, count);
        double sum = 0.0;
        for (Index at = part.first + threadIdx.x * QUAD; at < part.end; at += BLOCK * QUAD) {
            const Index left = count - at;
            const bool whole = aligned && left >= QUAD;
            Quad<Real> weights = load(w + at, left, whole);
            const Quad<Real> gradient = load(g + at, left, whole);
            Quad<Real> one = load(first + at, left, whole), two = load(second + at, left, whole);
            if (squares != nullptr) sum += squares_of(weights, at, decayed);
            for (int j = 0; j < QUAD; ++j) {
                const Real shrinking = at + j < decayed ? decay : Real(0);
                const Real slope = gradient.at[j] + shrinking * weights.at[j];
                one.at[j] = Real(BETA_1) * one.at[j] + Real(1.0 - BETA_1) * slope;
                two.at[j] = Real(BETA_2) * two.at[j] + Real(1.0 - BETA_2) * (slope * slope);
                const Real mean = one.at[j] / correction_1, variance = two.at[j] / correction_2;
                weights.at[j] -= speed * mean / (square_root(variance) + Real(EPSILON));
            }
            store(weights, w + at, left, whole);
            store(one, first + at, left, whole);
            store(two, second + at, left, whole);
        }
        store_squares(sum, squares, i);
    }
}

template <typename Real>
__global__ void sgd(
    Real* w, const Real* g, Real* velocity, const double* rate, Real momentum, Real decay,
    Index decayed, double* squares, Index tile, Index count
) {
    const Real speed = Real(*rate);
    const bool aligned = in_quads(QUAD, w, g, velocity);
    for (Index i = blockIdx.x; i < groups_of(count, tile); i += gridDim.x) {
        const Part part = part_of(i, tile, count);
        double sum = 0.0;
        for (Index at = part.first + threadIdx.x * QUAD; at < part.end; at += BLOCK * QUAD) {
            const Index left = count - at;
            const bool whole = aligned && left >= QUAD;
            Quad<Real> weights = load(w + at, left, whole);
            Quad<Real> moving = load(velocity + at, left, whole);
            const Quad<Real> gradient = load(g + at, left, whole);
            if (squares != nullptr) sum += squares_of(weights, at, decayed);
            for (int j = 0; j < QUAD; ++j) {
                const Real shrinking = at + j < decayed ? decay : Real(0);
                const Real slope = gradient.at[j] + shrinking * weights.at[j];
                moving.at[j] = momentum * moving.at[j] - speed * slope;
                weights.at[j] += moving.at[j];
            }
            store(weights, w + at, left, whole);
            store(moving, velocity + at, left, whole);
        }
        store_squares(sum, squares, i);
    }
}

template <typename Real>
__global__ void axpby(Real alpha, const Real* x, Real beta, Real* y, Index count) {
    const bool aligned = in_quads(QUAD, x, y);
    for (Index i = thread_number(); i < groups_of(count, QUAD); i += thread_count()) {
        const Index at = i * QUAD, left = count - at;
        const bool whole = aligned && left >= QUAD;
        Quad<Real> quad = load(x + at, left, whole);
        for (int j = 0; j < QUAD; ++j) quad.at[j] *= alpha;
        if (beta != Real(0)) {
            const Quad<Real> before = load(y + at, left, whole);
            for (int j = 0; j < QUAD; ++j) quad.at[j] += beta * before.at[j];
        }
        store(quad, y + at, left, whole);
    }
}

__device__ inline unsigned short upper_half(float value) {
    const unsigned bits = __float_as_uint(value);
    if (value != value) return (unsigned short)(bits >> 16 | 0x40u);  // so that it stays one
    return (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

__global__ void to_bfloat16(const float* x, unsigned short* y, Index count) {
    const bool aligned = in_quads(QUAD, x, y);
    for (Index i = thread_number(); i < groups_of(count, QUAD); i += thread_count()) {
        const Index at = i * QUAD, left = count - at;
        const bool whole = aligned && left >= QUAD;
        const Quad<float> quad = load(x + at, left, whole);
        Quad<unsigned short> halves;
        for (int j = 0; j < QUAD; ++j) halves.at[j] = upper_half(quad.at[j]);
        store(halves, y + at, left, whole);
    }
}

template <typename Real>
__global__ void fill(Real* x, Real value, Index count) {
    for (Index i = thread_number(); i < count; i += thread_count()) x[i] = value;
}

__global__ void start_epoch(
    Index* counters, double* rate, Index epoch, Index row_base, double new_rate
) {
    if (thread_number() > 0) return;
    counters[EPOCH] = epoch;
    counters[START] = 0;
    counters[ROW_BASE] = row_base;
    *rate = new_rate;
}

__global__ void advance(Index* counters, Index rows, double* corrections) {
    if (blockIdx.x > 0) return;
    advance_clock(counters, rows, corrections);
}
