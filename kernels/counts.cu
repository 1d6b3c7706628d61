// Rows of counts: brought to the same total, and their logarithms.
//
//   normalize_rows   x[r, c] *= total / sum of row r, in double; a row whose sum is 0 stays
//   log1p_less       out[r, c] = log(1 + x[r, c]) - center[c]
//
// Shapes: x, out (m, n), which may be the same; center (n,).
// A warp sums up a row. The logarithms are a kernel of their own, because of the outputs of a
// network that are counts they are taken, too.
#include "device.cuh"
#include "activations.cuh"

template <typename Real>
__global__ void normalize_rows(Real* x, double total, Index rows, Index columns) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        Real* row = x + r * columns;
        double sum = 0.0;
        for (Index column = lane(); column < columns; column += LANES) sum += double(row[column]);
        for (int distance = LANES / 2; distance > 0; distance /= 2) {
            sum += __shfl_xor_sync(EVERYONE, sum, distance);
        }
        if (sum == 0.0) continue;  // all lanes alike
        const Real factor = Real(total / sum);
        for (Index column = lane(); column < columns; column += LANES) row[column] *= factor;
    }
}

template <typename Real>
__global__ void log1p_less(
    const Real* x, const Real* center, Real* out, Index rows, Index columns
) {
    const bool whole = in_quads(columns, x, center, out);
    for (Index i = thread_number(); i < quads_of(rows, columns); i += thread_count()) {
        const Place at = place_of(i, columns);
        Quad<Real> quad = load(x + at.offset, at.left, whole);
        const Quad<Real> middle = load(center + at.column, at.left, whole);
        for (int j = 0; j < QUAD; ++j) quad.at[j] = log_of_one_plus(quad.at[j]) - middle.at[j];
        store(quad, out + at.offset, at.left, whole);
    }
}
