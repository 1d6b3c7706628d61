// From products to activations.
//
//   bias_activation           z = f(z + bias), and preactivation = z + bias
//   bias_activation_dropout   the same, and at once mask = 0 (word < threshold) or kept, out = z mask
//   multiply                  out = a mask
//   copy_columns              out[r, out_first + c] = source[r, first + c] of some columns c
//   row_errors                errors[r] = mean over columns of (output - target)^2, in double
//
// Shapes: z, preactivation (may be null), mask, out, a, output, target (m, n); bias (n,); errors (m,).
// Of copy_columns source is (m, width) and out (m, out_width); `columns` are those that are copied.
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

template <typename Real>
__global__ void copy_columns(
    const Real* source, Index width, Index first, Real* out, Index out_width, Index out_first,
    Index rows, Index columns
) {
    for (Index i = thread_number(); i < rows * columns; i += thread_count()) {
        const Index row = i / columns, column = i % columns;
        out[row * out_width + out_first + column] = source[row * width + first + column];
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
