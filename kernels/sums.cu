// Sums, in two passes: partials of tiles, then these in a fixed order.
//
//   column_sums   partials[s, c] = sum over the rows of strip s of a[r, c], in double
//   sum_of        partials[t] = sum over tile t of |x|, x^2 or x y, in double
//   finish        out[c] = (out[c] +) sum over s of columns[s, c], and
//                 total = (total +) factor * sum over t of partials[t]
//
// Shapes: a (m, n); columns (strips, n) with rows `stride` apart; out (n,); partials (tiles,).
// `finish` does both at once because a delta leaves both: a launch less in every layer.
#include "device.cuh"
#include "activations.cuh"

constexpr Index SUM_TILE = BLOCK * QUAD * 4;  // elements

template <typename Real>
__global__ void column_sums(
    const Real* a, Index strip, double* partials, Index rows, Index columns
) {
    const bool whole = in_quads(columns, a);
    for (Index i = blockIdx.x; i < tiles_of(rows, columns, strip); i += gridDim.x) {
        const Tile tile = tile_of(i, rows, columns, strip);
        Quad<double> sums = {};
        for (Index row = tile.first_row; row < tile.end_row && tile.left; row += WARPS) {
            const Quad<Real> quad = load(a + row * columns + tile.column, tile.left, whole);
            for (int j = 0; j < QUAD; ++j) sums.at[j] += quad.at[j];
        }
        store_column_sums(sums, tile, partials, columns);
    }
}

struct Absolute {
    __device__ static double of(double x, double) { return magnitude(x); }
};
struct Product {
    __device__ static double of(double x, double y) { return x * y; }
};

template <typename Real, typename Term>
__global__ void sum_of(const Real* x, const Real* y, double* partials, Index count) {
    const bool aligned = in_quads(QUAD, x, y);
    for (Index i = blockIdx.x; i < groups_of(count, SUM_TILE); i += gridDim.x) {
        const Index end = smaller(count, (i + 1) * SUM_TILE);
        double sum = 0.0;
        for (Index at = i * SUM_TILE + threadIdx.x * QUAD; at < end; at += BLOCK * QUAD) {
            const Index left = count - at;
            const bool whole = aligned && left >= QUAD;
            const Quad<Real> one = load(x + at, left, whole), other = load(y + at, left, whole);
            for (int j = 0; j < QUAD; ++j) sum += Term::of(one.at[j], other.at[j]);
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) partials[i] = sum;
    }
}

// A block adds the strips of LANES columns, each warp every WARPS-th; one more adds the partials.
template <typename T>
__global__ void finish(
    const T* columns, Index strips, Index stride, T* out, bool add_to_out, Index width,
    const double* partials, Index tiles, double factor, double* total, bool add_to_total
) {
    T* shared = reinterpret_cast<T*>(shared_memory);
    const Index groups = groups_of(width, LANES);
    for (Index i = blockIdx.x; i < groups; i += gridDim.x) {
        const Index column = i * LANES + lane();
        T sum = 0;
        for (Index strip = warp(); strip < strips && column < width; strip += WARPS) {
            sum += columns[strip * stride + column];
        }
        shared[threadIdx.x] = sum;
        __syncthreads();
        if (warp() == 0 && column < width) {
            for (int j = 1; j < WARPS; ++j) sum += shared[j * LANES + lane()];
            out[column] = add_to_out ? out[column] + sum : sum;
        }
        __syncthreads();  // before shared memory is used again
    }
    if (total == nullptr || blockIdx.x != gridDim.x - 1) return;
    double sum = 0.0;
    for (Index i = threadIdx.x; i < tiles; i += blockDim.x) sum += partials[i];
    sum = block_sum(sum) * factor;
    if (threadIdx.x == 0) *total = add_to_total ? *total + sum : sum;
}
