// Over flat vectors of parameters, and the clock.
//
//   adam          g' = g + decay w; first = b1 first + (1 - b1) g'; second = b2 second + (1 - b2) g'^2;
//                 w -= rate (first / (1 - b1^t)) / (sqrt(second / (1 - b2^t)) + epsilon), t = step + 1
//   sgd           velocity = momentum velocity - rate (g + decay w); w += velocity
//   axpby         y = alpha x + beta y; with beta = 0 the old y is not read
//   fill          x = value
//   start_epoch   counters = epoch, start 0, step as it was, row base; rate[0] = rate
//   advance       start += rows, step += 1
//
// Shapes: w, g, first, second, velocity, x, y (count,); counters (4,), rate (1,).
// Step and learning rate are read from the device, so that a captured launch can be replayed; each
// vector is read once and written once. D. Kingma, J. Ba, "Adam", 2015.
#include "device.cuh"
#include "activations.cuh"

template <typename Real>
__global__ void adam(
    Real* w, const Real* g, Real* first, Real* second, const Index* counters, const double* rate,
    Real decay, Index count
) {
    constexpr double BETA_1 = 0.9, BETA_2 = 0.999, EPSILON = 1e-8;
    double* corrections = shared_memory;
    if (threadIdx.x == 0) {
        const double step = double(counters[STEP] + 1);
        corrections[0] = 1.0 - pow(BETA_1, step);
        corrections[1] = 1.0 - pow(BETA_2, step);
    }
    __syncthreads();
    const Real correction_1 = Real(corrections[0]), correction_2 = Real(corrections[1]);
    const Real speed = Real(*rate);
    const bool aligned = in_quads(QUAD, w, g, first, second);
    for (Index i = thread_number(); i < groups_of(count, QUAD); i += thread_count()) {
        const Index at = i * QUAD, left = count - at;
        const bool whole = aligned && left >= QUAD;
        Quad<Real> weights = load(w + at, left, whole);
        const Quad<Real> gradient = load(g + at, left, whole);
        Quad<Real> one = load(first + at, left, whole), two = load(second + at, left, whole);
        for (int j = 0; j < QUAD; ++j) {
            const Real slope = gradient.at[j] + decay * weights.at[j];
            one.at[j] = Real(BETA_1) * one.at[j] + Real(1.0 - BETA_1) * slope;
            two.at[j] = Real(BETA_2) * two.at[j] + Real(1.0 - BETA_2) * (slope * slope);
            const Real mean = one.at[j] / correction_1, variance = two.at[j] / correction_2;
            weights.at[j] -= speed * mean / (square_root(variance) + Real(EPSILON));
        }
        store(weights, w + at, left, whole);
        store(one, first + at, left, whole);
        store(two, second + at, left, whole);
    }
}

template <typename Real>
__global__ void sgd(
    Real* w, const Real* g, Real* velocity, const double* rate, Real momentum, Real decay,
    Index count
) {
    const Real speed = Real(*rate);
    const bool aligned = in_quads(QUAD, w, g, velocity);
    for (Index i = thread_number(); i < groups_of(count, QUAD); i += thread_count()) {
        const Index at = i * QUAD, left = count - at;
        const bool whole = aligned && left >= QUAD;
        Quad<Real> weights = load(w + at, left, whole), moving = load(velocity + at, left, whole);
        const Quad<Real> gradient = load(g + at, left, whole);
        for (int j = 0; j < QUAD; ++j) {
            const Real slope = gradient.at[j] + decay * weights.at[j];
            moving.at[j] = momentum * moving.at[j] - speed * slope;
            weights.at[j] += moving.at[j];
        }
        store(weights, w + at, left, whole);
        store(moving, velocity + at, left, whole);
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

__global__ void advance(Index* counters, Index rows) {
    if (thread_number() > 0) return;
    counters[START] += rows;
    counters[STEP] += 1;
}
