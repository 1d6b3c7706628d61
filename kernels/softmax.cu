// Softmax p of the rows of z + bias, and its cross-entropy with targets t that need not sum to 1.
//
//   softmax_rows   losses = w sum_j t_j (log sum_j e^z_j - z_j) of each row's z + bias, top = its
//                  largest, share = w sum_j t_j / sum_j e^(z_j - top); z = p if `finished`
//   softmax_delta  z = factor (share e^(z + bias - top) - w t); partial sums of columns
//
// Shapes: z, target (m, n); bias (n,); losses, top, share (m,), double but for top; columns
// (strips, n), which `finish_*` add up. target may be null: then losses and shares mean nothing.
// w is row_weights (m,), or 1 where that is null.
// A warp sums up a row, in double and of z - top, so that nothing overflows. The second kernel
// computes the exponentials once more, so that z is written once; its error is in double, in which
// the share of a class that is nearly certain is told from 1.
#include "device.cuh"
#include "activations.cuh"

// Return the largest z + bias to all lanes of the warp; NaN may go unseen.
template <typename Real>
__device__ inline Real largest(const Real* z, const Real* bias, Index columns) {
    Real top = z[0] + bias[0];
    for (Index column = lane(); column < columns; column += LANES) {
        const Real logit = z[column] + bias[column];
        top = logit > top ? logit : top;
    }
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
        const Real other = __shfl_xor_sync(EVERYONE, top, distance);
        top = other > top ? other : top;
    }
    return top;
}

// Sums of a row: of powers e^(z - top), of targets, and of both numbers' products.
struct RowSums {
    double powers, targets, products;

    template <typename Real>
    __device__ void add(Real logit, Real top, double target) {
        powers += exponential(logit - top);
        targets += target;
        if (target != 0.0) products += target * (double(logit) - double(top));
    }

    __device__ void add_lanes() {
        for (int distance = LANES / 2; distance > 0; distance /= 2) {
            powers += __shfl_xor_sync(EVERYONE, powers, distance);
            targets += __shfl_xor_sync(EVERYONE, targets, distance);
            products += __shfl_xor_sync(EVERYONE, products, distance);
        }
    }
};

template <typename Real>
__global__ void softmax_rows(
    Real* z, const Real* bias, const Real* target, const Real* row_weights, bool finished,
    double* losses, Real* top, double* share, Index rows, Index columns
) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        Real* row = z + r * columns;
        const Real own_top = largest(row, bias, columns);
        RowSums sums = {};
        for (Index column = lane(); column < columns; column += LANES) {
            const double t = target ? target[r * columns + column] : Real(0);
            sums.add(row[column] + bias[column], own_top, t);
        }
        sums.add_lanes();
        for (Index column = lane(); finished && column < columns; column += LANES) {
            const Real power = exponential(row[column] + bias[column] - own_top);
            row[column] = Real(power / sums.powers);
        }
        if (lane() > 0) continue;
        const double weight = weight_of(row_weights, r);
        losses[r] = weight * (sums.targets * log(sums.powers) - sums.products);
        top[r] = own_top;
        share[r] = weight * sums.targets / sums.powers;
    }
}

template <typename Real>
__global__ void softmax_delta(
    Real* z, const Real* bias, const Real* target, const Real* row_weights, const Real* top,
    const double* share, double factor, Index strip, Real* column_sums, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, target), whole_bias = in_quads(columns, bias);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        const Quad<Real> shift = load(bias + tile.column, tile.left, whole_bias && tile.left);
        Quad<Real> sums = {};
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Index at = row * columns + tile.column;
            Quad<Real> quad = load(z + at, tile.left, whole);
            const Quad<Real> t = load(target + at, tile.left, whole);
            for (int j = 0; j < QUAD; ++j) {
                const double wanted = row_weights ? double(row_weights[row]) * t.at[j] : t.at[j];
                const Real power = exponential(quad.at[j] + shift.at[j] - top[row]);
                quad.at[j] = Real((share[row] * power - wanted) * factor);
                sums.at[j] += quad.at[j];
            }
            store(quad, z + at, tile.left, whole);
        }
        store_column_sums(sums, tile, column_sums, columns);
    }
}
