// From the last layer's products to the losses and the deltas.
//
//   output_loss    z = f(z + bias); partial sums of w loss
//   output_delta   z = factor w times the loss's error (losses.cuh); partial sums of w loss and of
//                  the delta's columns
//   row_loss       the same for losses of a row's products: w losses, one a row, and w of_target and
//                  w of_output; z = f(z + bias) if `finished`
//   row_delta      z = factor (of_target target + of_output f(z + bias)) f'; partial sums of columns
//   hidden_delta   delta = (mask delta + w (slope + l1 sign(a))) f'; partial sums of its columns. z
//                  is read where f' needs it (else it may be a)
//   kl_slope       slope = s beta (-rho/rho' + (1 - rho)/(1 - rho')) / W, rho' = sums / W, and
//                  total += m beta sum KL(rho || rho'); for tanh rho' is of (a + 1)/2 and s = 1/2
//
// Shapes: z, target, delta, a, mask (m, n); bias, slope, sums (n,); of_target, of_output (m,); losses
// (tiles,), or (m,) of row_loss, double; columns
// (strips, n), which `finish_*` add up. mask and slope may be null, and so may kl_slope's partials
// (strips, n), which are what `column_sums` leaves: their sum becomes, or is added to, `sums`.
// w is row_weights (m,), or 1 where that is null; W is weight_sum (1,), or m where that is null.
// One pass over memory: the output is never written when its delta is wanted, and the bias gradient
// is summed while the delta is in registers.
#include "device.cuh"
#include "deltas.cuh"

template <typename Real, typename Loss>
__global__ void output_loss(
    Real* z, const Real* bias, const Real* target, const Real* row_weights, Real parameter,
    Index strip, double* losses, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, target), whole_bias = in_quads(columns, bias);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        const Quad<Real> shift = load(bias + tile.column, tile.left, whole_bias && tile.left);
        double loss = 0.0;
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Index at = row * columns + tile.column;
            Quad<Real> quad = load(z + at, tile.left, whole);
            const Quad<Real> x = load(target + at, tile.left, whole);
            Real terms = 0;
            for (int j = 0; j < QUAD; ++j) {
                const auto outcome = Loss::of(quad.at[j] + shift.at[j], x.at[j], parameter);
                quad.at[j] = outcome.output;
                if (j < tile.left) terms += outcome.term;
            }
            loss += double(terms) * double(weight_of(row_weights, row));
            store(quad, z + at, tile.left, whole);
        }
        loss = block_sum(loss);
        if (threadIdx.x == 0) losses[i] = loss;
    }
}

template <typename Real, typename Loss>
__global__ void output_delta(
    Real* z, const Real* bias, const Real* target, const Real* row_weights, Real factor,
    Real parameter, Index strip, double* losses, Real* column_sums, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, target), whole_bias = in_quads(columns, bias);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        const Quad<Real> shift = load(bias + tile.column, tile.left, whole_bias && tile.left);
        Quad<Real> sums = {};
        double loss = 0.0;
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Index at = row * columns + tile.column;
            Quad<Real> quad = load(z + at, tile.left, whole);
            const Quad<Real> x = load(target + at, tile.left, whole);
            const Real weight = weight_of(row_weights, row);
            loss += output_delta_of<Loss>(
                quad, shift, x, weight, factor, parameter, tile.left, sums
            );
            store(quad, z + at, tile.left, whole);
        }
        store_column_sums(sums, tile, column_sums, columns);
        loss = block_sum(loss);
        if (threadIdx.x == 0) losses[i] = loss;
    }
}

// A warp for a row.
template <typename Real, typename F, typename Loss>
__global__ void row_loss(
    Real* z, const Real* bias, const Real* target, const Real* row_weights, Real parameter,
    bool finished, double* losses, double* of_target, double* of_output, Index rows, Index columns
) {
    const Index warps = Index(gridDim.x) * WARPS;
    for (Index r = Index(blockIdx.x) * WARPS + warp(); r < rows; r += warps) {
        double product = 0.0, own = 0.0, size = 0.0;
        for (Index column = lane(); column < columns; column += LANES) {
            const Index at = r * columns + column;
            const Real output = F::value(z[at] + bias[column]), x = target[at];
            product += double(output) * double(x);
            own += double(output) * double(output);
            size += double(x) * double(x);
            if (finished) z[at] = output;
        }
        for (int distance = LANES / 2; distance > 0; distance /= 2) {
            product += __shfl_xor_sync(EVERYONE, product, distance);
            own += __shfl_xor_sync(EVERYONE, own, distance);
            size += __shfl_xor_sync(EVERYONE, size, distance);
        }
        if (lane() > 0) continue;
        const RowOutcome outcome = Loss::of(product, own, size, parameter);
        const double weight = weight_of(row_weights, r);
        losses[r] = weight * outcome.term;
        of_target[r] = weight * outcome.of_target;
        of_output[r] = weight * outcome.of_output;
    }
}

template <typename Real, typename F>
__global__ void row_delta(
    Real* z, const Real* bias, const Real* target, const double* of_target, const double* of_output,
    Real factor, Index strip, Real* column_sums, Index rows, Index columns
) {
    const bool whole = in_quads(columns, z, target), whole_bias = in_quads(columns, bias);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        const Quad<Real> shift = load(bias + tile.column, tile.left, whole_bias && tile.left);
        Quad<Real> sums = {};
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Index at = row * columns + tile.column;
            Quad<Real> quad = load(z + at, tile.left, whole);
            const Quad<Real> x = load(target + at, tile.left, whole);
            for (int j = 0; j < QUAD; ++j) {
                const Real shifted = quad.at[j] + shift.at[j], output = F::value(shifted);
                const Real error = Real(of_target[row] * x.at[j] + of_output[row] * output);
                quad.at[j] = error * F::slope(shifted, output) * factor;
                sums.at[j] += quad.at[j];
            }
            store(quad, z + at, tile.left, whole);
        }
        store_column_sums(sums, tile, column_sums, columns);
    }
}

template <typename Real, typename F>
__global__ void hidden_delta(
    Real* delta, const Real* z, const Real* a, const Real* mask, const Real* slope,
    const Real* row_weights, Real l1, Index strip, Real* column_sums, Index rows, Index columns
) {
    const Hidden<Real> hidden(delta, z, a, mask, slope, row_weights, l1, columns);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        const Quad<Real> penalty = hidden.penalty(tile.column, tile.left);
        Quad<Real> sums = {};
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Index at = row * columns + tile.column;
            Quad<Real> quad = load(delta + at, tile.left, hidden.whole);
            hidden.template finish<F>(quad, row, tile.column, tile.left, penalty, sums);
            store(quad, delta + at, tile.left, hidden.whole);
        }
        store_column_sums(sums, tile, column_sums, columns);
    }
}

// One block. The mean activation is kept 1e-6 away from 0 and 1.
template <typename Real>
__global__ void kl_slope(
    const double* partials, Index strips, bool add_to_sums, double* sums, double rows,
    const double* weight_sum, double rho, double beta, bool signed_units, Real* slope,
    double* total, Index columns
) {
    constexpr double FLOOR = 1e-6;
    if (blockIdx.x > 0) return;
    const double weight = weight_sum != nullptr ? *weight_sum : rows;
    double divergence = 0.0;
    for (Index i = threadIdx.x; i < columns; i += blockDim.x) {
        if (partials != nullptr) {
            const double sum = sum_of_strips(partials + i, strips, columns);
            sums[i] = add_to_sums ? sums[i] + sum : sum;
        }
        double mean = sums[i] / weight;
        if (signed_units) mean = (mean + 1.0) / 2.0;
        mean = mean < FLOOR ? FLOOR : mean > 1.0 - FLOOR ? 1.0 - FLOOR : mean;
        const double unit = signed_units ? 0.5 : 1.0;
        slope[i] = Real(unit * beta * (-rho / mean + (1.0 - rho) / (1.0 - mean)) / weight);
        divergence += rho * log(rho / mean) + (1.0 - rho) * log((1.0 - rho) / (1.0 - mean));
    }
    divergence = block_sum(divergence);
    if (threadIdx.x == 0) *total += rows * beta * divergence;
}
