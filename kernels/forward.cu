// From products to activations.
//
//   bias_activation           z = f(z + bias), and preactivation = z + bias
//   bias_activation_dropout   the same, and at once mask = 0 (word < threshold) or kept, out = z mask
//   multiply                  out = a mask
//   topk_mask                 mask = 1 at the k largest of each row (ties to the lower column), else 0
//   row_errors                errors[r] = mean over columns of (output - target)^2, in double
//
// Shapes: z, preactivation (may be null), mask, out, a, output, target (m, n); bias (n,); errors (m,).
// Dropout is drawn where the activation is made, so that it is read and written once.
#include "device.cuh"
#include "activations.cuh"
#include "philox.cuh"

template <typename Real, typename F>
__global__ void bias_activation(
    Real* z, const Real* bias, Real* preactivation, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, preactivation), whole_bias = in_quads(columns, bias);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        Quad<Real> quad = load(z + at.offset, at.left, whole);
        const Quad<Real> shift = load(bias + at.column, at.left, whole_bias);
        for (int j = 0; j < QUAD; ++j) quad.at[j] += shift.at[j];
        if (preactivation) store(quad, preactivation + at.offset, at.left, whole);
        for (int j = 0; j < QUAD; ++j) quad.at[j] = F::value(quad.at[j]);
        store(quad, z + at.offset, at.left, whole);
    }
}

template <typename Real, typename F>
__global__ void bias_activation_dropout(
    const Index* numbers, const Index* counters, Index first, unsigned long long seed,
    unsigned stream, unsigned long long threshold, Real kept, Real* z, const Real* bias,
    Real* preactivation, Real* mask, Real* out, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, preactivation, mask, out);
    const bool whole_bias = in_quads(columns, bias);
    const Draw draw = draw_at(seed, numbers, counters, first);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        const auto words = draw.words(at, stream);
        Quad<Real> quad = load(z + at.offset, at.left, whole);
        const Quad<Real> shift = load(bias + at.column, at.left, whole_bias);
        Quad<Real> drawn, product;
        for (int j = 0; j < QUAD; ++j) quad.at[j] += shift.at[j];
        if (preactivation) store(quad, preactivation + at.offset, at.left, whole);
        for (int j = 0; j < QUAD; ++j) {
            quad.at[j] = F::value(quad.at[j]);
            drawn.at[j] = words.at[j] < threshold ? Real(0) : kept;
            product.at[j] = quad.at[j] * drawn.at[j];
        }
        store(quad, z + at.offset, at.left, whole);
        store(drawn, mask + at.offset, at.left, whole);
        store(product, out + at.offset, at.left, whole);
    }
}

template <typename Real>
__global__ void multiply(const Real* a, const Real* mask, Real* out, Index count) {
    const bool aligned = in_quads(QUAD, a, mask, out);
    for (Index i = thread_number(); i < groups_of(count, QUAD); i += thread_count()) {
        const Index at = i * QUAD, left = count - at;
        const bool whole = aligned && left >= QUAD;
        Quad<Real> quad = load(a + at, left, whole);
        const Quad<Real> by = load(mask + at, left, whole);
        for (int j = 0; j < QUAD; ++j) quad.at[j] *= by.at[j];
        store(quad, out + at, left, whole);
    }
}

// Numbers in the order of the values: larger for larger, equal for both zeros, 0 for NaN.
__device__ inline unsigned order_of(float value) {
    if (value != value) return 0;
    const unsigned word = __float_as_uint(value);
    const unsigned bits = word << 1 ? word : 0;  // compared as numbers, denormals would be zeros
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ inline unsigned long long order_of(double value) {
    if (value != value) return 0;
    const unsigned long long word = __double_as_longlong(value);
    const unsigned long long bits = word << 1 ? word : 0;
    return bits >> 63 ? ~bits : bits | 0x8000000000000000ull;
}

// How many of a row's columns have an order of at least `least`; a warp counts, all lanes get it.
template <typename Real, typename Order>
__device__ inline Index count_from(const Real* row, Index columns, Order least) {
    Index count = 0;
    for (Index column = lane(); column < columns; column += LANES) {
        count += order_of(row[column]) >= least;
    }
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        count += __shfl_xor_sync(EVERYONE, count, distance);
    }
    return count;
}

// A warp finds the k-th largest of a row bit by bit, from the highest.
template <typename Real>
__global__ void topk_mask(const Real* a, Index k, Real* mask, Index rows, Index columns) {
    using Order = decltype(order_of(Real(0)));
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        const Real* row = a + r * columns;
        Order last = 0;  // the order of the k-th largest
        for (Order bit = ~(~Order(0) >> 1); bit > 0; bit >>= 1) {
            if (count_from(row, columns, last | bit) >= k) last |= bit;
        }
        Index places = k - count_from(row, columns, Order(last + 1));  // no order is the highest
        for (Index first = 0; first < columns; first += LANES) {
            const Index column = first + lane();
            const bool there = column < columns;
            const Order order = there ? order_of(row[column]) : 0;
            const unsigned ties = __ballot_sync(EVERYONE, there && order == last);
            const Index before = __popc(ties & ((1u << lane()) - 1));
            const bool chosen = order > last || (order == last && before < places);
            if (there) mask[r * columns + column] = chosen ? Real(1) : Real(0);
            places -= __popc(ties);
        }
    }
}

template <typename Real>
__global__ void row_errors(
    const Real* output, const Real* target, double* errors, Index rows, Index columns
) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        double sum = 0.0;
        for (Index column = lane(); column < columns; column += LANES) {
            const Index at = r * columns + column;
            const double error = double(output[at]) - double(target[at]);
            sum += error * error;
        }
        for (int distance = LANES / 2; distance > 0; distance /= 2) {
            sum += __shfl_xor_sync(EVERYONE, sum, distance);
        }
        if (lane() == 0) errors[r] = sum / double(columns);
    }
}
